//! Table tests of every command in every state, and a property test of the whole life of a task.

use chrono::DateTime;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::person::Authority;

const AUTHOR: UserId = UserId(Uuid::from_u128(1));
const PERFORMER: UserId = UserId(Uuid::from_u128(2));
const OTHER: UserId = UserId(Uuid::from_u128(3));
const MANAGER: UserId = UserId(Uuid::from_u128(4));

fn at(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_795_000_000_000_000 + micros).unwrap()
}

fn member(id: UserId) -> Caller {
    Caller {
        id,
        authority: Authority::Member,
    }
}

fn manager() -> Caller {
    Caller {
        id: MANAGER,
        authority: Authority::Lead,
    }
}

fn draw_of(performer: UserId) -> Draw {
    Draw {
        performer,
        candidates: 3,
    }
}

fn file(pick: Pick) -> (Task, Vec<Event>) {
    Task::file(TaskId(Uuid::from_u128(9)), member(AUTHOR), pick, at(0)).unwrap()
}

fn waiting() -> Task {
    file(Pick::Drawn(None)).0
}

fn open() -> Task {
    file(Pick::Drawn(Some(draw_of(PERFORMER)))).0
}

fn completed() -> Task {
    let mut task = open();
    task.complete(member(PERFORMER), at(10)).unwrap();
    task
}

fn cancelled() -> Task {
    let mut task = open();
    task.cancel(member(AUTHOR), at(10)).unwrap();
    task
}

fn states() -> [Task; 4] {
    [waiting(), open(), completed(), cancelled()]
}

/// A verdict without the event, for tables.
fn verdict(result: Result<Outcome, Refusal>) -> Result<&'static str, Refusal> {
    result.map(|outcome| match outcome {
        Outcome::Applied(_) => "applied",
        Outcome::AlreadyApplied => "again",
    })
}

#[test]
fn a_new_task_is_filed_and_then_assigned_a_microsecond_later() {
    let (task, events) = file(Pick::Drawn(Some(draw_of(PERFORMER))));
    assert_eq!(
        task.state,
        State::Open(Assignment {
            performer: PERFORMER,
            assigned_at: at(1)
        })
    );
    let times: Vec<_> = events.iter().map(|event| event.at).collect();
    assert_eq!(times, [at(0), at(1)]);
    let reason = Reason::Drawn {
        cause: Cause::Filed,
        candidates: 3,
    };
    let assigned = Fact::Assigned {
        performer: PERFORMER,
        previous: None,
        reason,
    };
    assert_eq!(events[1].fact, assigned);
    assert_eq!(events[1].actor, Actor::System);
}

#[test]
fn with_nobody_eligible_a_new_task_waits() {
    let (task, events) = file(Pick::Drawn(None));
    assert_eq!(task.state, State::Waiting);
    assert_eq!(events.len(), 1);
}

#[test]
fn only_managers_and_administrators_choose_the_first_performer() {
    let id = TaskId(Uuid::from_u128(9));
    let refused = Task::file(id, member(AUTHOR), Pick::Chosen(PERFORMER), at(0));
    assert_eq!(refused, Err(Refusal::NotAllowed));
    let (task, events) = Task::file(id, manager(), Pick::Chosen(PERFORMER), at(0)).unwrap();
    assert_eq!(task.performer(), Some(PERFORMER));
    assert_eq!(events[1].actor, Actor::Person(MANAGER));
}

#[test]
fn a_draw_asked_for_twice_by_one_form_happens_once() {
    let mut task = open();
    let seen = task.last_event_at;
    assert_eq!(
        verdict(task.redraw_for(manager(), Some(draw_of(OTHER)), seen, at(20))),
        Ok("applied")
    );
    let again = task.redraw_for(manager(), Some(draw_of(PERFORMER)), seen, at(21));
    assert_eq!(again, Err(Refusal::ChangedMeanwhile));
    let seen = task.last_event_at;
    let nobody = task.redraw_for(manager(), None, seen, at(22));
    assert_eq!(nobody, Err(Refusal::NobodyEligible));
    let member = task.redraw_for(member(AUTHOR), Some(draw_of(OTHER)), seen, at(23));
    assert_eq!(member, Err(Refusal::NotAllowed));
}

#[test]
fn complete_by_state_and_caller() {
    use Refusal::{Cancelled, NoPerformer, NotAllowed};
    let expected = [
        (
            manager(),
            [Err(NoPerformer), Ok("applied"), Ok("again"), Err(Cancelled)],
        ),
        (
            member(PERFORMER),
            [Err(NotAllowed), Ok("applied"), Ok("again"), Err(Cancelled)],
        ),
        (member(AUTHOR), [Err(NotAllowed); 4]),
        (member(OTHER), [Err(NotAllowed); 4]),
    ];
    for (caller, expected) in expected {
        let verdicts = states().map(|mut task| verdict(task.complete(caller, at(20))));
        assert_eq!(verdicts, expected, "{caller:?}");
    }
}

#[test]
fn cancel_by_state_and_caller() {
    use Refusal::{Completed, NotAllowed};
    let lead = [Ok("applied"), Ok("applied"), Err(Completed), Ok("again")];
    let expected = [
        (manager(), lead),
        (member(AUTHOR), lead),
        (member(PERFORMER), [Err(NotAllowed); 4]),
        (member(OTHER), [Err(NotAllowed); 4]),
    ];
    for (caller, expected) in expected {
        let verdicts = states().map(|mut task| verdict(task.cancel(caller, at(20))));
        assert_eq!(verdicts, expected, "{caller:?}");
    }
}

#[test]
fn edit_by_state_and_caller() {
    use Refusal::{Cancelled, Completed, NotAllowed};
    let lead = [Ok("applied"), Ok("applied"), Err(Completed), Err(Cancelled)];
    let expected = [
        (manager(), lead),
        (member(AUTHOR), lead),
        (member(PERFORMER), [Err(NotAllowed); 4]),
        (member(OTHER), [Err(NotAllowed); 4]),
    ];
    for (caller, expected) in expected {
        let verdicts =
            states().map(|mut task| verdict(task.edit(caller, vec![Field::Title], at(20))));
        assert_eq!(verdicts, expected, "{caller:?}");
    }
}

#[test]
fn assign_by_state_and_caller() {
    use Refusal::{Cancelled, Completed, NotAllowed};
    let expected = [
        (
            manager(),
            [Ok("applied"), Ok("applied"), Err(Completed), Err(Cancelled)],
        ),
        (member(AUTHOR), [Err(NotAllowed); 4]),
        (member(PERFORMER), [Err(NotAllowed); 4]),
    ];
    for (caller, expected) in expected {
        let verdicts = states().map(|mut task| verdict(task.assign(caller, OTHER, at(20))));
        assert_eq!(verdicts, expected, "{caller:?}");
    }
}

#[test]
fn choosing_the_one_who_has_the_task_changes_nothing() {
    let mut task = open();
    assert_eq!(
        task.assign(manager(), PERFORMER, at(20)),
        Ok(Outcome::AlreadyApplied)
    );
    assert_eq!(task, open());
}

#[test]
fn drawing_the_same_person_again_is_a_new_assignment() {
    let mut task = open();
    let outcome = task.redraw(Some(draw_of(PERFORMER)), Cause::PerformerLost, at(20));
    assert_eq!(verdict(outcome), Ok("applied"));
    assert_eq!(
        task.state,
        State::Open(Assignment {
            performer: PERFORMER,
            assigned_at: at(20)
        })
    );
}

#[test]
fn a_task_whose_performer_is_lost_waits_when_nobody_can_take_over() {
    let mut task = open();
    let outcome = task.redraw(None, Cause::PerformerLost, at(20));
    let Ok(Outcome::Applied(event)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        event.fact,
        Fact::Released {
            previous: PERFORMER
        }
    );
    assert_eq!(task.state, State::Waiting);
    assert_eq!(
        task.redraw(None, Cause::Waited, at(30)),
        Ok(Outcome::AlreadyApplied)
    );
}

#[test]
fn an_edit_that_changes_no_text_is_no_event() {
    let mut task = open();
    assert_eq!(
        task.edit(member(AUTHOR), vec![], at(20)),
        Ok(Outcome::AlreadyApplied)
    );
    assert_eq!(task, open());
}

#[test]
fn rights_are_what_the_commands_then_do() {
    let works = |result| matches!(result, Ok(Outcome::Applied(_)));
    for caller in [manager(), member(AUTHOR), member(PERFORMER), member(OTHER)] {
        for task in states() {
            let expected = Rights {
                complete: works({ task }.complete(caller, at(20))),
                assign: works({ task }.assign(caller, OTHER, at(20))),
                edit: works({ task }.edit(caller, vec![Field::Title], at(20))),
                cancel: works({ task }.cancel(caller, at(20))),
            };
            assert_eq!(task.rights(caller), expected, "{caller:?} {task:?}");
        }
    }
}

#[derive(Debug, Clone)]
enum Command {
    Complete(Caller),
    Cancel(Caller),
    Edit(Caller, Vec<Field>),
    Assign(Caller, UserId),
    RedrawFor(Caller, UserId),
    Redraw(Option<UserId>),
}

fn callers() -> impl Strategy<Value = Caller> {
    prop_oneof![
        Just(manager()),
        Just(member(AUTHOR)),
        Just(member(PERFORMER)),
        Just(member(OTHER))
    ]
}

fn people() -> impl Strategy<Value = UserId> {
    prop_oneof![Just(PERFORMER), Just(OTHER), Just(AUTHOR)]
}

fn commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        callers().prop_map(Command::Complete),
        callers().prop_map(Command::Cancel),
        (callers(), any::<bool>()).prop_map(|(caller, changes)| {
            Command::Edit(
                caller,
                changes.then_some(Field::Title).into_iter().collect(),
            )
        }),
        (callers(), people()).prop_map(|(caller, person)| Command::Assign(caller, person)),
        (callers(), people()).prop_map(|(caller, person)| Command::RedrawFor(caller, person)),
        proptest::option::of(people()).prop_map(Command::Redraw),
    ]
}

fn give(task: &mut Task, command: Command, now: DateTime<Utc>) -> Result<Outcome, Refusal> {
    match command {
        Command::Complete(by) => task.complete(by, now),
        Command::Cancel(by) => task.cancel(by, now),
        Command::Edit(by, fields) => task.edit(by, fields, now),
        Command::Assign(by, person) => task.assign(by, person, now),
        Command::RedrawFor(by, person) => {
            task.redraw_for(by, Some(draw_of(person)), task.last_event_at, now)
        }
        Command::Redraw(person) => task.redraw(person.map(draw_of), Cause::PerformerLost, now),
    }
}

proptest! {
    /// Whatever is asked in whatever order by whomever, with a clock that jumps back and forth: event times
    /// strictly increase, what is refused or repeated changes nothing, and what is final stays.
    #[test]
    fn the_life_of_a_task_keeps_its_rules(
        steps in proptest::collection::vec((commands(), -50_i64..50), 0..40)
    ) {
        let mut task = open();
        for (command, now) in steps {
            let before = task;
            match give(&mut task, command, at(now)) {
                Ok(Outcome::Applied(event)) => {
                    prop_assert!(event.at > before.last_event_at);
                    prop_assert_eq!(task.last_event_at, event.at);
                    let was_final =
                        matches!(before.state, State::Completed { .. } | State::Cancelled { .. });
                    prop_assert!(!was_final);
                    if event.fact == Fact::Cancelled {
                        prop_assert_eq!(task.performer(), before.performer());
                    }
                }
                Ok(Outcome::AlreadyApplied) | Err(_) => prop_assert_eq!(&task, &before),
            }
        }
    }
}
