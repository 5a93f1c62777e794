//! A message that the broker does not take waits a growing while, and in the end for a person.

use std::time::Duration;

use anyhow::Result;
use platform::{lifecycle::Lifecycle, outbox::OutboxSignal, relay};
use uuid::Uuid;

use super::bench::Bench;
use crate::support::{builders::id, waiting::until};

/// A message for a queue that does not exist, refused `attempts` times before.
async fn write(bench: &Bench, entity: Uuid, queue: &str, attempts: i16) -> Result<()> {
    let sql = "INSERT INTO outbox (message_id, exchange, routing_key, entity_id, schema_version, \
               occurred_at, body, attempts) VALUES ($1, 'finance.queues', $2, $3, 1, now(), '{}', $4)";
    let insert = sqlx::query(sql)
        .bind(id())
        .bind(queue)
        .bind(entity)
        .bind(attempts);
    insert.execute(&bench.database.owned).await?;
    Ok(())
}

#[tokio::test]
async fn a_refused_message_holds_its_record_only_and_is_given_up_after_twenty_times() -> Result<()>
{
    let bench = Bench::create().await?;
    let (patient, hopeless) = (id(), id());
    write(&bench, patient, "nowhere", 0).await?;
    write(&bench, hopeless, "nowhere", 19).await?;
    write(&bench, id(), "finance.tasks.dead", 0).await?;
    let lifecycle = Lifecycle::new();
    let (broker, sources) = (bench.connections()?, bench.sources.clone());
    relay::spawn(
        &lifecycle,
        &bench.database_config(),
        &broker,
        &sources,
        OutboxSignal::new(),
        Duration::ZERO,
    )?;

    until("one is given up and one has left", || async {
        let given_up = bench.database.count("outbox_dead", "true").await?;
        let waiting = bench.database.count("outbox", "true").await?;
        Ok((given_up, waiting) == (1, 1))
    })
    .await?;
    let given_up = format!(
        "entity_id = '{hopeless}' AND attempts = 20 AND last_error LIKE 'no queue takes it%'"
    );
    assert_eq!(bench.database.count("outbox_dead", &given_up).await?, 1);
    let waits = format!("entity_id = '{patient}' AND attempts >= 1 AND next_at > occurred_at");
    assert_eq!(bench.database.count("outbox", &waits).await?, 1);

    sqlx::query("DELETE FROM outbox")
        .execute(&bench.database.owned)
        .await?;
    assert!(bench.broker.take("finance.tasks.dead").await?.is_some());
    bench.finish(lifecycle).await
}
