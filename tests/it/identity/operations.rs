//! What the bridge tells the operations page, and messages of its own that the broker refused.

use anyhow::Result;
use contracts::{
    Message as _,
    identity::UserChanged,
    operations::{BridgeState, ResolveDead},
};
use reqwest::StatusCode;
use uuid::Uuid;

use super::own::{OwnBridge, QUICK};
use crate::support::{
    builders::{self, id},
    environment::environment,
    http,
    keycloak::machine_token,
    waiting::until,
};

#[tokio::test]
async fn operations_are_for_the_task_board_only() -> Result<()> {
    let url = environment().auth_api_url.join("/operations")?;
    let manager = machine_token("tasks-m2m", "operations:manage").await?;
    let answer = http::client()?
        .get(url.clone())
        .bearer_auth(manager)
        .send()
        .await?;
    let state: BridgeState = answer.error_for_status()?.json().await?;
    assert!(state.users > 0 && state.as_of.is_some(), "{state:?}");
    assert!(
        state.last_event_at.is_some() && state.compared_at.is_some(),
        "{state:?}"
    );

    let reader = machine_token("tasks-m2m", "users:read").await?;
    let answer = http::client()?.get(url).bearer_auth(reader).send().await?;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    Ok(())
}

/// A message about `person` that the broker refused too often, as the relay puts it aside.
async fn refuse(bridge: &OwnBridge, person: Uuid, position: i64) -> Result<()> {
    let body = UserChanged {
        user_id: person,
        timestamp: builders::now(),
    };
    sqlx::query(
        "INSERT INTO outbox_dead (position, message_id, exchange, routing_key, entity_id, schema_version, \
         occurred_at, body, attempts, last_error, died_at) \
         VALUES ($1, $2, 'auth', $3, $4, 1, now(), $5, 20, 'no such exchange', now())",
    )
    .bind(position)
    .bind(id())
    .bind(UserChanged::KEY)
    .bind(person)
    .bind(serde_json::to_string(&body)?)
    .execute(&bridge.database.owned)
    .await?;
    Ok(())
}

fn wish(position: i64, reason: &str) -> ResolveDead {
    ResolveDead {
        asked_by: id(),
        positions: vec![position],
        reason: reason.to_owned(),
    }
}

#[tokio::test]
async fn refused_messages_are_shown_sent_again_or_discarded() -> Result<()> {
    let mut bridge = OwnBridge::open(&environment().realm, QUICK).await?;
    let (sent, discarded) = (id(), id());
    refuse(&bridge, sent, -2).await?;
    refuse(&bridge, discarded, -1).await?;
    let state = bridge.state().await?;
    let shown: Vec<_> = state
        .dead
        .iter()
        .map(|dead| (dead.position, dead.entity_id))
        .collect();
    assert_eq!(shown, [(-2, sent), (-1, discarded)]);
    assert_eq!(state.outbox.dead, 2);

    let (retry, discard) = (
        "/operations/outbox-dead/retry",
        "/operations/outbox-dead/discard",
    );
    let answer = bridge.post(retry, &wish(-2, "")).await?;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    bridge.next_about(sent).await?.body::<UserChanged>()?;
    let answer = bridge.post(retry, &wish(-2, "")).await?;
    assert_eq!(answer.status(), StatusCode::CONFLICT, "it was sent already");

    let answer = bridge.post(discard, &wish(-1, " ")).await?;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let answer = bridge.post(discard, &wish(-1, "an old test")).await?;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    until("nothing waits", || async {
        let outbox = bridge.state().await?.outbox;
        Ok((outbox.waiting, outbox.dead) == (0, 0))
    })
    .await?;
    let discarded = discarded.to_string();
    assert!(
        bridge
            .rest()
            .await?
            .iter()
            .all(|heard| !heard.is_about(&discarded))
    );
    bridge.remove().await
}
