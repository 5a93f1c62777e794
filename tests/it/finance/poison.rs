//! A message that cannot be handled is kept whole with its reason, and holds nobody up (DESIGN.md section 8).

use anyhow::Result;
use chrono::TimeDelta;
use contracts::{
    Message as _,
    tasks::{TaskAssigned, TaskCompleted},
};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use platform::sources::Clock as _;
use serde_json::{Value, json};

use crate::support::{
    builders::{assigned, id},
    finance::Finance,
};

/// Properties as a publisher of ours sets them, with the schema version `version`.
fn versioned(version: AMQPValue) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert("schema_version".into(), version);
    BasicProperties::default()
        .with_message_id(id().to_string().into())
        .with_headers(headers)
}

/// Bodies that are no assignment, each broken in its own way.
fn unreadable(good: &Value) -> Vec<Vec<u8>> {
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body.to_string().into_bytes()
    };
    let mut incomplete = good.clone();
    incomplete
        .as_object_mut()
        .expect("a body is an object")
        .remove("timestamp");
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    vec![
        b"\x00\xff\xfe\x80 these bytes are no text".to_vec(),
        Vec::new(),
        b"null".to_vec(),
        with("assigned_to", json!(42)),
        with("timestamp", json!("2026-13-45T99:99:99Z")),
        incomplete.to_string().into_bytes(),
        nested.into_bytes(),
    ]
}

#[tokio::test]
async fn nonsense_of_every_kind_is_parked_with_its_reason_and_the_next_message_is_booked()
-> Result<()> {
    let finance = Finance::start().await?;
    let key = TaskAssigned::KEY;
    let plain = || BasicProperties::default().with_message_id(id().to_string().into());
    let good = serde_json::to_value(assigned(id(), id(), 0))?;
    for body in unreadable(&good) {
        finance.broker.publish_bytes(key, plain(), &body).await?;
    }
    let body = good.to_string().into_bytes();
    finance
        .broker
        .publish_bytes("tasks.task.exploded", plain(), &body)
        .await?;
    finance
        .broker
        .publish_bytes(key, versioned(AMQPValue::LongInt(99)), &body)
        .await?;
    finance
        .broker
        .publish_bytes(key, versioned(AMQPValue::LongString("one".into())), &body)
        .await?;
    let performer = id();
    finance
        .broker
        .publish(&assigned(id(), performer, 0))
        .await?;

    finance.until_parked(10).await?;
    let mut kinds = finance.parked().await?;
    kinds.sort_unstable();
    let expected = [
        vec!["unknown_key"],
        vec!["unknown_version"; 2],
        vec!["unreadable"; 7],
    ]
    .concat();
    assert_eq!(kinds, expected);
    finance.until_movements(performer, 1).await?;
    assert_eq!(finance.database.count("transfer", "true").await?, 1);
    assert_eq!(
        finance
            .database
            .count("parked_message", "reason = ''")
            .await?,
        0
    );
    finance.finish().await
}

#[tokio::test]
async fn a_parked_message_keeps_every_byte() -> Result<()> {
    let finance = Finance::start().await?;
    let body: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let properties = versioned(AMQPValue::LongInt(1)).with_app_id("stranger".into());
    finance
        .broker
        .publish_bytes(TaskCompleted::KEY, properties, &body)
        .await?;
    finance.until_parked(1).await?;

    let query = "SELECT queue, routing_key, body, headers->>'schema_version', properties->>'app_id' FROM parked_message";
    let kept: (String, String, Vec<u8>, String, String) = sqlx::query_as(query)
        .fetch_one(&finance.database.owned)
        .await?;
    let expected = ("finance.tasks", TaskCompleted::KEY, body, "1", "stranger");
    assert_eq!(
        (
            kept.0.as_str(),
            kept.1.as_str(),
            kept.2,
            kept.3.as_str(),
            kept.4.as_str()
        ),
        expected
    );
    finance.finish().await
}

#[tokio::test]
async fn a_message_without_any_properties_is_booked_like_any_other() -> Result<()> {
    let finance = Finance::start().await?;
    let message = assigned(id(), id(), 0);
    let body = serde_json::to_vec(&message)?;
    for _ in 0..3 {
        finance
            .broker
            .publish_bytes(TaskAssigned::KEY, BasicProperties::default(), &body)
            .await?;
    }
    finance.until_movements(message.assigned_to, 1).await?;
    finance.idle().await?;
    assert_eq!(finance.movements(message.assigned_to).await?.len(), 1);
    finance.finish().await
}

#[tokio::test]
async fn a_task_of_the_far_future_is_parked() -> Result<()> {
    let finance = Finance::start().await?;
    let performer = id();
    let mut early = assigned(id(), performer, 0);
    early.timestamp = finance.clock.now() + TimeDelta::minutes(6);
    finance.broker.publish(&early).await?;
    assert_eq!(finance.parked_once().await?, "refused");
    assert_eq!(finance.balance(performer).await?, 0);
    finance.finish().await
}
