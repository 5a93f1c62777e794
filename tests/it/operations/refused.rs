//! Messages that the broker refused too often go back into the outbox or are given up.

use anyhow::{Context as _, Result};
use reqwest::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::desk::Desk;
use crate::support::builders::id;

const UNROUTED: &str = "finance.unrouted";

/// Gives up a message as the relay does, at `position`; answers its id.
async fn bury(desk: &Desk, position: i64) -> Result<Uuid> {
    let message_id = id();
    let sql = "INSERT INTO outbox_dead (position, message_id, exchange, routing_key, entity_id, \
               schema_version, occurred_at, body, attempts, last_error, died_at) \
               VALUES ($1, $2, $3, 'finance.test.happened', $4, 1, now(), '{\"n\":7}', 20, 'it was returned', now())";
    sqlx::query(sql)
        .bind(position)
        .bind(message_id)
        .bind(contracts::topology::entrance(
            contracts::topology::Publisher::Finance,
        ))
        .bind(id())
        .execute(&desk.service.database.owned)
        .await?;
    Ok(message_id)
}

#[tokio::test]
async fn a_refused_message_is_sent_as_if_it_were_new() -> Result<()> {
    let desk = Desk::open().await?;
    bury(&desk, 1).await?;
    let page = desk.page("").await?;
    assert!(page.contains("Refused by the broker") && page.contains("it was returned"));
    assert!(
        desk.page("/refused/1")
            .await?
            .contains("finance.test.happened")
    );
    desk.done("/refused/1/retry", &[]).await?;
    let message = desk.service.next_from(UNROUTED).await?;
    assert_eq!(message.data, b"{\"n\":7}");
    let again = desk.command("/refused/1/retry", &[]).await?;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert_eq!(desk.audit().await?[0].0, "retry_dead");
    desk.service.finish().await
}

#[tokio::test]
async fn all_refused_messages_are_sent_at_once_each_once() -> Result<()> {
    let desk = Desk::open().await?;
    let mut refused = Vec::new();
    for position in 1..=3 {
        refused.push(bury(&desk, position).await?.to_string());
    }
    let done = desk.done("/refused/retry", &[]).await?;
    assert_eq!(done, json!({"messages": 3, "left": 0}));
    assert_eq!(desk.service.database.count("outbox_dead", "true").await?, 0);
    let mut sent = Vec::new();
    for _ in &refused {
        let message = desk.service.next_from(UNROUTED).await?;
        let message_id = message.properties.message_id().as_ref();
        sent.push(message_id.context("it has an id")?.as_str().to_owned());
    }
    // They tell of different records, so the relay owes nobody their order.
    sent.sort_unstable();
    refused.sort_unstable();
    assert_eq!(sent, refused);

    let again = desk.command("/refused/retry", &[]).await?;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    desk.noted(json!({
        "action": "retry_dead", "subject": "messages that the broker refused", "records": 3,
        "reason": "", "after": {"state": "in the outbox"},
    }))
    .await?;
    let audit = desk.audit().await?;
    let (_, _, before, _) = audit.first().context("the command is noted")?;
    let kept = before["messages"].as_array().context("they are kept")?;
    assert_eq!(kept.len(), 3);
    desk.service.finish().await
}

#[tokio::test]
async fn a_discarded_message_is_kept_whole_in_the_audit() -> Result<()> {
    let desk = Desk::open().await?;
    bury(&desk, 5).await?;
    let path = "/refused/5/discard";
    let refused = desk.command(path, &[("reason", "")]).await?;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    desk.done(path, &[("reason", "nobody reads it")]).await?;
    assert_eq!(desk.service.database.count("outbox_dead", "true").await?, 0);
    let audit = desk.audit().await?;
    let (action, reason, before, _) = audit.first().context("the command is noted")?;
    assert_eq!(
        (action.as_str(), reason.as_str()),
        ("discard_dead", "nobody reads it")
    );
    assert_eq!(before["messages"][0]["body"], json!("{\"n\":7}"));
    desk.service.finish().await
}
