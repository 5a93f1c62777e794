//! Only administrators get in, and only with the token of their session.

use anyhow::Result;
use contracts::identity::Role;
use reqwest::{Method, StatusCode};

use super::desk::Desk;
use crate::support::builders::id;

#[tokio::test]
async fn whoever_is_no_administrator_sees_and_changes_nothing() -> Result<()> {
    let roles = [Role::Employee, Role::Manager, Role::Accountant];
    let desk = Desk::open_as(&roles).await?;
    let (_, parked) = desk.park_early().await?;
    let pages = [
        "",
        "/audit",
        &format!("/parked/{parked}"),
        &format!("/causes/{}", id()),
    ];
    for path in pages {
        let answer = desk.ask(Method::GET, path)?.send().await?;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        assert!(
            answer
                .text()
                .await?
                .contains("Only administrators may do this."),
            "{path}"
        );
    }
    for path in [
        format!("/parked/{parked}/retry"),
        "/parked/retry".to_owned(),
    ] {
        let answer = desk.command(&path, &[]).await?;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(desk.state(parked).await?, "parked");
    desk.service.finish().await
}

#[tokio::test]
async fn a_command_without_the_token_of_the_session_changes_nothing() -> Result<()> {
    let desk = Desk::open().await?;
    let (_, parked) = desk.park_early().await?;
    let path = format!("/parked/{parked}/retry");
    for token in ["", "AAAA"] {
        let request = desk.ask(Method::POST, &path)?.header("x-csrf-token", token);
        let answer = request.form(&[("reason", "none")]).send().await?;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{token:?}");
    }
    assert_eq!(desk.state(parked).await?, "parked");
    assert_eq!(desk.audit().await?, []);
    desk.service.finish().await
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() -> Result<()> {
    let desk = Desk::open().await?;
    for path in [
        format!("/parked/{}", id()),
        format!("/parked/{}/body", id()),
        format!("/causes/{}", id()),
        "/refused/7".to_owned(),
        "/auth".to_owned(),
    ] {
        let answer = desk.ask(Method::GET, &path)?.send().await?;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let answer = desk
        .command(&format!("/parked/{}/retry", id()), &[])
        .await?;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    desk.service.finish().await
}
