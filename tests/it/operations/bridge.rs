//! The page of Tasks that shows the auth bridge tells it what an administrator wants, and notes that.

use anyhow::{Result, ensure};
use contracts::{
    Message as _,
    identity::UserChanged,
    operations::{
        AcceptDeletions, BridgeState, DeadMessage, DeletionAlarm, OutboxState, Reconcile,
        ResolveDead,
    },
};
use reqwest::StatusCode;
use serde_json::json;

use super::desk::Desk;
use crate::support::{
    bridge::{PlayedBridge, Told},
    builders::{id, noon},
    tasks::Board,
};

/// Where the refused message stands.
const POSITION: i64 = 7;

/// A bridge that needs a person: the broker refused a message, and users are missing.
fn troubled() -> BridgeState {
    BridgeState {
        outbox: OutboxState {
            waiting: 3,
            oldest: Some(noon()),
            dead: 1,
        },
        dead: vec![DeadMessage {
            position: POSITION,
            message_id: id(),
            routing_key: UserChanged::KEY.to_owned(),
            entity_id: id(),
            body: "{\"n\":7}".to_owned(),
            attempts: 20,
            last_error: "no such exchange".to_owned(),
            died_at: noon(),
        }],
        users: 4_000,
        as_of: Some(noon()),
        last_event_at: Some(noon()),
        compared_at: Some(noon()),
        comparison_due: None,
        alarm: Some(DeletionAlarm {
            raised_at: noon(),
            missing: 1_200,
            known: 4_000,
            allowed: 400,
        }),
        fault: None,
    }
}

/// A desk before a bridge in this state.
async fn open_before(state: BridgeState) -> Result<(Desk<Board>, PlayedBridge)> {
    let desk = Desk::open_at_tasks().await?;
    let bridge = desk.service.peers.bridge().clone();
    bridge.play(state);
    Ok((desk, bridge))
}

/// What the page says of the bridge.
async fn shown(desk: &Desk<Board>) -> Result<BridgeState> {
    Ok(serde_json::from_value(desk.read("/auth").await?)?)
}

/// What the bridge hears about the refused message.
fn about_it(desk: &Desk<Board>, reason: &str) -> ResolveDead {
    ResolveDead {
        asked_by: desk.person,
        positions: vec![POSITION],
        reason: reason.to_owned(),
    }
}

#[tokio::test]
async fn the_page_shows_what_the_bridge_says_of_itself() -> Result<()> {
    let state = troubled();
    let (desk, bridge) = open_before(state.clone()).await?;
    assert_eq!(shown(&desk).await?, state);
    let page = desk.page("/auth").await?;
    for words in [
        "Keycloak does not show 1,200 of 4,000 users any more.",
        "Accept 1,200 deletions",
        "no such exchange",
        "/operations/auth/refused/7/retry",
        "/operations/auth/refused/7/discard",
        "Compare now",
    ] {
        ensure!(page.contains(words), "{words}");
    }
    assert_eq!(bridge.told(), []);
    desk.service.finish().await
}

#[tokio::test]
async fn a_comparison_that_is_asked_for_reaches_the_bridge_and_is_noted() -> Result<()> {
    let (desk, bridge) = open_before(troubled()).await?;
    let done = desk.done("/auth/compare", &[]).await?;
    assert_eq!(done, json!({"messages": 0, "left": 0}));
    let asked_by = desk.person;
    assert_eq!(bridge.told(), [Told::Reconcile(Reconcile { asked_by })]);
    desk.noted(json!({
        "action": "compare", "subject": "Keycloak's users with the copy", "records": 0, "reason": "",
        "before": {}, "after": {},
    }))
    .await?;
    desk.service.finish().await
}

#[tokio::test]
async fn deletions_are_accepted_as_many_as_were_shown_and_once() -> Result<()> {
    let (desk, bridge) = open_before(troubled()).await?;
    let path = "/auth/accept-deletions";
    let without = desk.command(path, &[("missing", "1200"), ("reason", " ")]);
    assert_eq!(without.await?.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bridge.told(), []);

    let reason = "the branch was closed";
    let form = [("missing", "1200"), ("reason", reason)];
    let done = desk.done(path, &form).await?;
    assert_eq!(done, json!({"messages": 0, "left": 0}));
    let accepted = AcceptDeletions {
        asked_by: desk.person,
        reason: reason.to_owned(),
        missing: 1_200,
    };
    let told = || Told::AcceptDeletions(accepted.clone());
    assert_eq!(bridge.told(), [told()]);
    assert_eq!(shown(&desk).await?.alarm, None);

    let again = desk.command(path, &form).await?;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert_eq!(bridge.told(), [told(), told()]);
    desk.noted(json!({
        "action": "accept_deletions", "subject": "users that Keycloak does not show any more",
        "records": 0, "reason": reason, "before": {"missing": 1200}, "after": {},
    }))
    .await?;
    desk.service.finish().await
}

#[tokio::test]
async fn a_message_that_the_bridge_could_not_send_is_sent_again_once() -> Result<()> {
    let (desk, bridge) = open_before(troubled()).await?;
    let path = format!("/auth/refused/{POSITION}/retry");
    let done = desk.done(&path, &[]).await?;
    assert_eq!(done, json!({"messages": 1, "left": 0}));
    let told = || Told::Retry(about_it(&desk, ""));
    assert_eq!(bridge.told(), [told()]);
    assert_eq!(shown(&desk).await?.dead, []);

    let again = desk.command(&path, &[]).await?;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert_eq!(bridge.told(), [told(), told()]);
    desk.noted(json!({
        "action": "retry_dead", "subject": "a message of the auth bridge", "records": 1,
        "first_record": POSITION.to_string(), "reason": "", "before": {}, "after": {},
    }))
    .await?;
    desk.service.finish().await
}

#[tokio::test]
async fn a_message_of_the_bridge_that_is_discarded_is_kept_whole_in_the_audit() -> Result<()> {
    let (desk, bridge) = open_before(troubled()).await?;
    let refused = shown(&desk).await?.dead;
    let path = format!("/auth/refused/{POSITION}/discard");
    let without = desk.command(&path, &[("reason", "")]).await?;
    assert_eq!(without.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bridge.told(), []);

    let reason = [("reason", " they left long ago ")];
    let done = desk.done(&path, &reason).await?;
    assert_eq!(done, json!({"messages": 1, "left": 0}));
    let told = || Told::Discard(about_it(&desk, "they left long ago"));
    assert_eq!(bridge.told(), [told()]);

    // It is gone from what the bridge shows, so the bridge is not told of it again.
    let again = desk.command(&path, &reason).await?;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert_eq!(bridge.told(), [told()]);
    desk.noted(json!({
        "action": "discard_dead", "subject": "a message of the auth bridge", "records": 1,
        "first_record": POSITION.to_string(), "reason": "they left long ago",
        "before": {"message": refused[0]}, "after": {},
    }))
    .await?;
    desk.service.finish().await
}
