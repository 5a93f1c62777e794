//! The pages: which role gets what from which route, and that closed accounts get nothing.

use anyhow::Result;
use contracts::identity::{Role, UserDeleted};
use platform::sources::Clock as _;
use reqwest::Method;

use super::{
    stage::{ACCOUNTANT, ADMINISTRATOR, MANAGER, STRANGER, Stage, State, Visitor, said},
    table::{Line, lines, must_cover},
};
use crate::support::waiting::until;

/// The page routes of tasks-service. A number is the status of the answer, `login` leads to the login. Forms
/// are sent as the page has them; `{task}` is an open task of other people, and nothing has
/// any other id, so that who may command the operations page is told 409.
pub(super) const TASKS: &str = "
    method path                                        anonymous employee accountant manager administrator
    GET    /tasks                                      login     200      200        200     200
    POST   /tasks                                      login     303      303        303     303
    GET    /tasks/                                     308       308      308        308     308
    GET    /tasks/home                                 login     303      303        303     303
    GET    /tasks/mine                                 login     200      200        200     200
    GET    /tasks/new                                  login     200      200        200     200
    GET    /tasks/{task}                               login     200      200        200     200
    POST   /tasks/{task}/complete                      login     403      403        303     303
    GET    /tasks/{task}/assign                        login     403      403        200     200
    POST   /tasks/{task}/assign                        login     403      403        303     303
    GET    /tasks/{task}/edit                          login     403      403        200     200
    POST   /tasks/{task}/edit                          login     403      403        303     303
    GET    /tasks/{task}/cancel                        login     403      403        200     200
    POST   /tasks/{task}/cancel                        login     403      403        303     303
    GET    /tasks/login                                303       303      303        303     303
    GET    /tasks/callback                             400       400      400        400     400
    POST   /tasks/backchannel-logout                   400       400      400        400     400
    GET    /tasks/assets/{version}/{*name}             200       200      200        200     200
    GET    /operations                                 login     403      403        403     200
    GET    /operations/audit                           login     403      403        403     200
    POST   /operations/parked/retry                    login     403      403        403     409
    GET    /operations/parked/{id}                     login     403      403        403     404
    GET    /operations/parked/{id}/body                login     403      403        403     404
    POST   /operations/parked/{id}/retry               login     403      403        403     409
    POST   /operations/parked/{id}/discard             login     403      403        403     409
    GET    /operations/causes/{id}                     login     403      403        403     404
    POST   /operations/causes/{id}/retry               login     403      403        403     409
    POST   /operations/causes/{id}/discard             login     403      403        403     409
    POST   /operations/refused/retry                   login     403      403        403     409
    GET    /operations/refused/{position}              login     403      403        403     404
    POST   /operations/refused/{position}/retry        login     403      403        403     409
    POST   /operations/refused/{position}/discard      login     403      403        403     409
    GET    /operations/auth                            login     403      403        403     200
    POST   /operations/auth/compare                    login     403      403        403     409
    POST   /operations/auth/accept-deletions           login     403      403        403     409
    POST   /operations/auth/refused/{position}/retry   login     403      403        403     409
    POST   /operations/auth/refused/{position}/discard login     403      403        403     409
    POST   /tasks/logout                               403       303      303        303     303
";

/// The page routes of finance-service.
pub(super) const FINANCE: &str = "
    method path                                           anonymous employee accountant manager administrator
    GET    /finance                                       303       303      303        303     303
    GET    /finance/                                      303       303      303        303     303
    GET    /finance/me                                    login     200      200        200     200
    GET    /finance/login                                 303       303      303        303     303
    GET    /finance/callback                              400       400      400        400     400
    POST   /finance/backchannel-logout                    400       400      400        400     400
    GET    /finance/assets/{version}/{*name}              200       200      200        200     200
    GET    /finance/operations                            login     403      403        403     200
    GET    /finance/operations/audit                      login     403      403        403     200
    POST   /finance/operations/parked/retry               login     403      403        403     409
    GET    /finance/operations/parked/{id}                login     403      403        403     404
    GET    /finance/operations/parked/{id}/body           login     403      403        403     404
    POST   /finance/operations/parked/{id}/retry          login     403      403        403     409
    POST   /finance/operations/parked/{id}/discard        login     403      403        403     409
    GET    /finance/operations/causes/{id}                login     403      403        403     404
    POST   /finance/operations/causes/{id}/retry          login     403      403        403     409
    POST   /finance/operations/causes/{id}/discard        login     403      403        403     409
    POST   /finance/operations/refused/retry              login     403      403        403     409
    GET    /finance/operations/refused/{position}         login     403      403        403     404
    POST   /finance/operations/refused/{position}/retry   login     403      403        403     409
    POST   /finance/operations/refused/{position}/discard login     403      403        403     409
    POST   /finance/logout                                403       303      303        303     303
";

/// Every page route of both services.
pub(super) fn all() -> Vec<Line> {
    [TASKS, FINANCE].into_iter().flat_map(lines).collect()
}

/// Names and values.
pub(super) type Fields = &'static [(&'static str, &'static str)];

/// What the form of a route says when it is filled in as people do.
pub(super) fn fields(path: &str) -> Fields {
    match path {
        "/tasks" | "/tasks/{task}/edit" => &[("title", "Mend the fence")],
        "/tasks/{task}/assign" => &[
            ("pick", "chosen"),
            ("performer", "00000000-0000-4000-8000-000000000006"),
        ],
        path if path.ends_with("/discard") => &[("reason", "nobody needs it")],
        "/operations/auth/accept-deletions" => &[("reason", "they left"), ("missing", "1")],
        "/tasks/backchannel-logout" | "/finance/backchannel-logout" => &[("logout_token", "none")],
        _ => &[],
    }
}

/// How the answers to `visitor` differ from the column of that name.
async fn differing(stage: &Stage, visitor: &Visitor, column: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for line in all() {
        let path = stage.path_to(&line, State::Open).await?;
        let answer = visitor.send(&line.method, &path, fields(line.path)).await?;
        let said = said(&answer)?;
        let expected = line.cell(column);
        if said != expected {
            found.push(format!(
                "{column}: {} {} answers {said}, not {expected}",
                line.method, line.path
            ));
        }
    }
    Ok(found)
}

#[tokio::test]
async fn every_page_answers_each_role_as_the_tables_say() -> Result<()> {
    let stage = Stage::open().await?;
    must_cover(&stage.board.listeners.pages, &lines(TASKS)).await?;
    must_cover(&stage.finance.listeners().pages, &lines(FINANCE)).await?;
    let mut found = differing(&stage, &stage.anonymous()?, "anonymous").await?;
    for (column, person) in [
        ("employee", STRANGER),
        ("accountant", ACCOUNTANT),
        ("manager", MANAGER),
        ("administrator", ADMINISTRATOR),
    ] {
        let visitor = stage.log_in(person).await?;
        found.extend(differing(&stage, &visitor, column).await?);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    stage.close().await
}

#[tokio::test]
async fn a_disabled_or_deleted_person_gets_no_page_though_their_session_stands() -> Result<()> {
    let stage = Stage::open().await?;
    let visitor = stage.log_in(ADMINISTRATOR).await?;
    let mut guarded = all();
    guarded.retain(|line| line.cell("anonymous") == "login");
    // Past the message, which would have ended the sessions.
    let close = "UPDATE user_cache SET is_enabled = $2, is_deleted = $3 WHERE user_id = $1";
    for (closed, is_enabled, is_deleted) in [("disabled", false, false), ("deleted", true, true)] {
        for database in [&stage.board.database, &stage.finance.database] {
            let close = sqlx::query(close).bind(ADMINISTRATOR.id);
            let close = close.bind(is_enabled).bind(is_deleted);
            close.execute(&database.owned).await?;
        }
        for line in &guarded {
            let path = stage.path_to(line, State::Open).await?;
            let answer = visitor.send(&line.method, &path, fields(line.path)).await?;
            assert_eq!(said(&answer)?, "403", "{closed}: {} {path}", line.method);
        }
    }
    stage.close().await
}

#[tokio::test]
async fn a_deletion_logs_out_somebody_whom_no_copy_knew_yet() -> Result<()> {
    let stage = Stage::open_among_strangers().await?;
    let visitor = stage.log_in(STRANGER).await?;
    let gone = UserDeleted {
        user_id: STRANGER.id,
        timestamp: stage.board.clock.now(),
    };
    stage.board.broker.publish(&gone).await?;
    stage.finance.broker.publish(&gone).await?;
    for path in ["/tasks/mine", "/finance/me"] {
        until(&format!("{path} asks for a login"), || async {
            let answer = visitor.send(&Method::GET, path, &[]).await?;
            Ok(said(&answer)? == "login")
        })
        .await?;
    }
    stage.close().await
}

#[tokio::test]
async fn a_role_lost_before_any_copy_knew_the_person_logs_them_out() -> Result<()> {
    let stage = Stage::open_among_strangers().await?;
    let manager = stage.log_in(MANAGER).await?;
    let administrator = stage.log_in(ADMINISTRATOR).await?;
    stage.welcome(MANAGER, &[Role::Employee]).await?;
    stage.welcome(ADMINISTRATOR, ADMINISTRATOR.roles).await?;
    for path in ["/tasks/mine", "/finance/me"] {
        let answer = manager.send(&Method::GET, path, &[]).await?;
        assert_eq!(said(&answer)?, "login", "{path}");
        let answer = administrator.send(&Method::GET, path, &[]).await?;
        assert_eq!(said(&answer)?, "200", "{path}");
    }
    stage.close().await
}
