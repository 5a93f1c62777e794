//! What people may do to a task by what they are to it and what has become of it (DESIGN.md T4).

use anyhow::Result;
use reqwest::Method;

use super::{
    pages::{self, Fields, fields},
    stage::{
        ACCOUNTANT, ADMINISTRATOR, AUTHOR, MANAGER, PERFORMER, STRANGER, Stage, State, Visitor,
        said,
    },
    table::{Line, lines},
};

/// Every route of a task. A waiting task has no performer; whoever would be one is a stranger to it. 409 says
/// that the state forbids it, 422 that the form wants another answer.
const TASK: &str = "
    method path                    state     author performer stranger accountant manager administrator
    GET    /tasks/{task}           open      200    200       200      200        200     200
    GET    /tasks/{task}           waiting   200    200       200      200        200     200
    GET    /tasks/{task}           completed 200    200       200      200        200     200
    GET    /tasks/{task}           cancelled 200    200       200      200        200     200
    POST   /tasks/{task}/complete  open      403    303       403      403        303     303
    POST   /tasks/{task}/complete  waiting   403    403       403      403        409     409
    POST   /tasks/{task}/complete  completed 403    303       403      403        303     303
    POST   /tasks/{task}/complete  cancelled 403    409       403      403        409     409
    GET    /tasks/{task}/assign    open      403    403       403      403        200     200
    GET    /tasks/{task}/assign    waiting   403    403       403      403        200     200
    GET    /tasks/{task}/assign    completed 403    403       403      403        409     409
    GET    /tasks/{task}/assign    cancelled 403    403       403      403        409     409
    POST   /tasks/{task}/assign    open      403    403       403      403        303     303
    POST   /tasks/{task}/assign    waiting   403    403       403      403        422     422
    POST   /tasks/{task}/assign    completed 403    403       403      403        409     409
    POST   /tasks/{task}/assign    cancelled 403    403       403      403        409     409
    GET    /tasks/{task}/edit      open      200    403       403      403        200     200
    GET    /tasks/{task}/edit      waiting   200    403       403      403        200     200
    GET    /tasks/{task}/edit      completed 409    403       403      403        409     409
    GET    /tasks/{task}/edit      cancelled 409    403       403      403        409     409
    POST   /tasks/{task}/edit      open      303    403       403      403        303     303
    POST   /tasks/{task}/edit      waiting   303    403       403      403        303     303
    POST   /tasks/{task}/edit      completed 409    403       403      403        409     409
    POST   /tasks/{task}/edit      cancelled 409    403       403      403        409     409
    GET    /tasks/{task}/cancel    open      200    403       403      403        200     200
    GET    /tasks/{task}/cancel    waiting   200    403       403      403        200     200
    GET    /tasks/{task}/cancel    completed 409    403       403      403        409     409
    GET    /tasks/{task}/cancel    cancelled 200    403       403      403        200     200
    POST   /tasks/{task}/cancel    open      303    403       403      403        303     303
    POST   /tasks/{task}/cancel    waiting   303    403       403      403        303     303
    POST   /tasks/{task}/cancel    completed 409    403       403      403        409     409
    POST   /tasks/{task}/cancel    cancelled 303    403       403      403        303     303
";

const STATES: [(&str, State); 4] = [
    ("open", State::Open),
    ("waiting", State::Waiting),
    ("completed", State::Completed),
    ("cancelled", State::Cancelled),
];

/// The form as people fill it in; whoever may not send it is told so when it is empty, too.
fn forms(line: &Line, expected: &str) -> Vec<Fields> {
    let filled = fields(line.path);
    if expected == "403" && !filled.is_empty() {
        vec![filled, &[]]
    } else {
        vec![filled]
    }
}

/// How the answers of one route, about a new task in its line's state, differ from the line.
async fn differing(
    stage: &Stage,
    visitor: &Visitor,
    column: &str,
    (line, state): (&Line, State),
) -> Result<Vec<String>> {
    let path = stage.path_to(line, state).await?;
    let expected = line.cell(column);
    let mut found = Vec::new();
    for form in forms(line, expected) {
        let answer = visitor.send(&line.method, &path, form).await?;
        let said = said(&answer)?;
        if said != expected {
            let (method, path) = (&line.method, line.path);
            found.push(format!("{column}: {method} {path} of a task that is {state:?} answers {said}, not {expected}"));
        }
    }
    Ok(found)
}

/// The state that a line is about.
fn state_of(line: &Line) -> State {
    let named = STATES
        .into_iter()
        .find(|(name, _)| *name == line.cell("state"));
    named.expect("a line names a state").1
}

/// Compares the lines of `states` with what the service answers.
async fn compare(stage: Stage, states: &[State]) -> Result<()> {
    let mut found = Vec::new();
    let lines = lines(TASK);
    let lines = lines.iter().map(|line| (line, state_of(line)));
    let lines: Vec<_> = lines.filter(|(_, state)| states.contains(state)).collect();
    for (column, person) in [
        ("author", AUTHOR),
        ("performer", PERFORMER),
        ("stranger", STRANGER),
        ("accountant", ACCOUNTANT),
        ("manager", MANAGER),
        ("administrator", ADMINISTRATOR),
    ] {
        let visitor = stage.log_in(person).await?;
        for line in &lines {
            found.extend(differing(&stage, &visitor, column, *line).await?);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    stage.close().await
}

#[tokio::test]
async fn a_task_with_a_performer_answers_everybody_as_the_table_says() -> Result<()> {
    let states = [State::Open, State::Completed, State::Cancelled];
    compare(Stage::open().await?, &states).await
}

#[tokio::test]
async fn a_task_that_waits_answers_everybody_as_the_table_says() -> Result<()> {
    compare(Stage::open_without_performers().await?, &[State::Waiting]).await
}

#[test]
fn every_route_of_a_task_has_a_line_for_every_state() {
    let route = |line: &Line| (line.method.clone(), line.path);
    let listed = lines(TASK);
    for line in lines(pages::TASKS) {
        if !line.path.contains("{task}") {
            continue;
        }
        for (state, _) in STATES {
            let is_listed = listed
                .iter()
                .any(|listed| route(listed) == route(&line) && listed.cell("state") == state);
            assert!(
                is_listed,
                "{} {} lacks a line for {state}",
                line.method, line.path
            );
        }
    }
    assert!(
        listed
            .iter()
            .all(|line| [Method::GET, Method::POST].contains(&line.method))
    );
}
