//! What was sent is what was applied, ignored or parked; what is missing is named, and one command heals it.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use chrono::TimeDelta;
use contracts::{Message as _, tasks::TaskAssigned, topology::FINANCE_TASKS};
use platform::{
    conciliation::{Compared, Examined, Line, examine, recent},
    lifecycle::Lifecycle,
    maintenance::{ConciliateOptions, Maintenance},
    sources::Clock as _,
};
use uuid::Uuid;

use super::sender::Sender;
use crate::support::{
    builders::{assigned, id},
    finance::Finance,
    http,
    waiting::until,
};

/// Compares the hours up to the service's present one.
async fn compare(finance: &Finance, sender: &Sender) -> Result<Examined> {
    let now = finance.clock.now();
    let span = recent(now, 1);
    Ok(examine(&finance.connect().await?, sender, FINANCE_TASKS, span, now).await?)
}

/// The only line that was found.
async fn only_line(finance: &Finance, sender: &Sender) -> Result<Compared> {
    let mut found = compare(finance, sender).await?.compared;
    assert_eq!(found.len(), 1, "{found:?}");
    found.pop().context("there is one line")
}

/// Which hours are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hours {
    Settled,
    All,
}

/// Compares, and heals what is missing.
fn conciliate(hours: Hours) -> Maintenance {
    Maintenance::Conciliate(ConciliateOptions {
        days: 1,
        unsettled: hours == Hours::All,
        heal: true,
    })
}

#[tokio::test]
async fn what_was_sent_is_what_was_applied_ignored_and_parked() -> Result<()> {
    let finance = Finance::start().await?;
    let sender = Sender::start(&finance.broker, &finance.clock).await?;
    let first = assigned(id(), id(), 0);
    let sent = sender.send(&first).await?;
    // The same fact under another id, and one of a time that has not come.
    sender.send(&first).await?;
    let mut early = assigned(id(), id(), 0);
    early.timestamp = finance.clock.now() + TimeDelta::minutes(6);
    sender.send(&early).await?;
    // The broker may deliver a message twice, and a stranger may publish some of its own.
    finance.broker.publish_as(sent, &first).await?;
    finance.applied(3).await?;
    finance.idle().await?;

    let Compared { line, missing } = only_line(&finance, &sender).await?;
    assert_eq!(line.routing_key, TaskAssigned::KEY);
    let Line {
        sent,
        applied,
        ignored,
        parked,
        ..
    } = line;
    assert_eq!((sent, applied, ignored, parked), (3, 1, 1, 1));
    assert_eq!((line.missing, line.surplus, missing), (0, 0, Vec::new()));
    sender.finish().await?;
    finance.finish().await
}

#[tokio::test]
async fn a_message_that_was_lost_is_named_and_one_command_applies_it() -> Result<()> {
    let mut finance = Finance::start().await?;
    let sender = Sender::start(&finance.broker, &finance.clock).await?;
    finance.stop().await;
    let performer = id();
    let mut sent = Vec::new();
    for seconds in 0..5 {
        sent.push(sender.send(&assigned(id(), performer, seconds)).await?);
    }
    let lost = finance.broker.lose_one(FINANCE_TASKS.name).await?;
    finance.resume().await?;
    finance.until_movements(performer, 4).await?;

    let found = only_line(&finance, &sender).await?;
    assert_eq!(
        (found.line.sent, found.line.applied, found.line.missing),
        (5, 4, 1)
    );
    assert_eq!(found.missing, [lost]);
    assert!(sent.contains(&lost));

    finance.peers.serve_sent(&sender.db);
    let code = finance.maintain(conciliate(Hours::All)).await?;
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(finance.movements(performer).await?.len(), 5);
    let healed = only_line(&finance, &sender).await?;
    assert_eq!((healed.line.applied, healed.line.missing), (5, 0));
    let kept = "queue = 'finance.tasks' AND sent = 5 AND applied = 5 AND missing = 0";
    assert_eq!(finance.database.count("conciliation", kept).await?, 1);
    sender.finish().await?;
    finance.finish().await
}

/// Waits until the service's metric says that so many messages are missing.
async fn until_missing(finance: &Finance, count: &str) -> Result<()> {
    let line = format!("task_exchange_conciliation_missing{{queue=\"finance.tasks\"}} {count}");
    http::until_metric(finance.listeners().api.address, &line).await
}

#[tokio::test]
async fn the_service_finds_by_itself_what_a_settled_hour_lacks() -> Result<()> {
    let mut finance = Finance::start().await?;
    let metrics = Lifecycle::new();
    platform::metrics::install(&metrics)?;
    let sender = Sender::start(&finance.broker, &finance.clock).await?;
    finance.peers.serve_sent(&sender.db);
    finance.stop().await;
    let performer = id();
    for seconds in 0..2 {
        sender.send(&assigned(id(), performer, seconds)).await?;
    }
    finance.broker.lose_one(FINANCE_TASKS.name).await?;
    finance.resume().await?;
    finance.until_movements(performer, 1).await?;
    finance.stop().await;
    finance.clock.advance(TimeDelta::hours(3));

    finance.resume().await?;
    until_missing(&finance, "1").await?;
    let found = "queue = 'finance.tasks' AND sent = 2 AND applied = 1 AND missing = 1";
    assert_eq!(finance.database.count("conciliation", found).await?, 1);

    for _ in 0..2 {
        let code = finance.maintain(conciliate(Hours::Settled)).await?;
        assert_eq!(code, ExitCode::SUCCESS);
        assert_eq!(finance.movements(performer).await?.len(), 2);
    }
    finance.stop().await;
    finance.resume().await?;
    until_missing(&finance, "0").await?;
    let healed = "queue = 'finance.tasks' AND sent = 2 AND applied = 2 AND missing = 0";
    assert_eq!(finance.database.count("conciliation", healed).await?, 1);
    metrics.stop_and_wait().await;
    sender.finish().await?;
    finance.finish().await
}

#[tokio::test]
async fn a_message_that_is_in_no_archive_stays_missing_and_the_command_fails() -> Result<()> {
    let finance = Finance::start().await?;
    let sender = Sender::idle(&finance.clock).await?;
    let lost = finance.sources().new_id();
    let log = "INSERT INTO sent_message (message_id, routing_key) VALUES ($1, $2)";
    sqlx::query(log)
        .bind(lost)
        .bind(TaskAssigned::KEY)
        .execute(&sender.database.owned)
        .await?;
    finance.peers.serve_sent(&sender.db);
    assert_eq!(
        finance.maintain(conciliate(Hours::All)).await?,
        ExitCode::FAILURE
    );
    assert_eq!(only_line(&finance, &sender).await?.missing, [lost]);
    sender.finish().await?;
    finance.finish().await
}

#[tokio::test]
async fn a_message_that_waits_for_the_broker_is_not_missing() -> Result<()> {
    let finance = Finance::start().await?;
    let sender = Sender::idle(&finance.clock).await?;
    sender.write(&assigned(id(), id(), 0)).await?;
    let found = only_line(&finance, &sender).await?;
    let Line {
        sent,
        waiting,
        missing,
        ..
    } = found.line;
    assert_eq!((sent, waiting, missing), (0, 1, 0));
    assert!(!found.is_complete());
    sender.finish().await?;
    finance.finish().await
}

#[tokio::test]
async fn a_message_of_a_stranger_is_surplus() -> Result<()> {
    let finance = Finance::start().await?;
    let sender = Sender::idle(&finance.clock).await?;
    let message = assigned(id(), id(), 0);
    finance
        .broker
        .publish_as(finance.sources().new_id(), &message)
        .await?;
    finance.until_movements(message.assigned_to, 1).await?;
    let found = only_line(&finance, &sender).await?.line;
    assert_eq!((found.sent, found.applied, found.surplus), (0, 1, 1));
    sender.finish().await?;
    finance.finish().await
}

#[tokio::test]
async fn missing_messages_are_an_alarm_once_and_only_when_they_stay_missing() -> Result<()> {
    let mut finance = Finance::start().await?;
    let sender = Sender::start(&finance.broker, &finance.clock).await?;
    finance.stop().await;
    sender.send(&assigned(id(), id(), 0)).await?;
    finance.broker.lose_one(FINANCE_TASKS.name).await?;
    let mut alarms = Vec::new();
    for minutes in [0, 61, 61] {
        finance.clock.advance(TimeDelta::minutes(minutes));
        alarms.push(compare(&finance, &sender).await?.alarms.len());
    }
    assert_eq!(alarms, [0, 1, 0]);
    finance.resume().await?;
    sender.finish().await?;
    finance.finish().await
}

#[tokio::test]
async fn what_goes_to_the_services_own_queues_is_not_sent_to_the_world() -> Result<()> {
    let finance = Finance::start().await?;
    let sender = Sender::start(&finance.broker, &finance.clock).await?;
    let world = sender.send(&assigned(id(), id(), 0)).await?;
    let again = "INSERT INTO outbox (message_id, exchange, routing_key, entity_id, schema_version, \
                 occurred_at, body) VALUES ($1, 'tasks.queues', 'tasks.auth', $1, 1, now(), '{}')";
    sqlx::query(again)
        .bind(id())
        .execute(&sender.database.owned)
        .await?;
    until("the outbox is empty", || async {
        Ok(sender.database.count("outbox", "true").await? == 0)
    })
    .await?;
    let logged: Vec<Uuid> = sqlx::query_scalar("SELECT message_id FROM sent_message")
        .fetch_all(&sender.database.owned)
        .await?;
    assert_eq!(logged, [world]);
    finance.applied(1).await?;
    finance.next_from("tasks.auth").await?;
    sender.finish().await?;
    finance.finish().await
}
