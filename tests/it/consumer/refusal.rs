//! A message that the broker does not take waits a growing while, and in the end for a person; later ones of its
//! record wait for it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use contracts::topology::{Publisher, queues_exchange};
use platform::{lifecycle::Lifecycle, outbox::OutboxSignal, relay};
use uuid::Uuid;

use super::bench::Bench;
use crate::support::{builders::id, waiting::until};

/// What nothing is bound to.
const NOWHERE: &str = "nowhere";

/// A queue that nobody reads here.
const SOMEWHERE: &str = "finance.tasks.dead";

/// A message of the record `entity` for a queue, refused `attempts` times before; answers its id.
async fn write(bench: &Bench, entity: Uuid, queue: &str, attempts: i16) -> Result<Uuid> {
    let message = id();
    let sql = "INSERT INTO outbox (message_id, exchange, routing_key, entity_id, schema_version, \
               occurred_at, body, attempts) VALUES ($1, 'finance.queues', $2, $3, 1, now(), '{}', $4)";
    let insert = sqlx::query(sql)
        .bind(message)
        .bind(queue)
        .bind(entity)
        .bind(attempts);
    insert.execute(&bench.database.owned).await?;
    Ok(message)
}

/// Relays what is written until the answer is stopped.
fn relay(bench: &Bench) -> Result<Lifecycle> {
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
    Ok(lifecycle)
}

/// Whether `message` waits in the outbox, and the number of its refusals satisfies `attempts`.
async fn waits(bench: &Bench, message: Uuid, attempts: &str) -> Result<bool> {
    let row = format!("message_id = '{message}' AND attempts {attempts}");
    Ok(bench.database.count("outbox", &row).await? == 1)
}

#[tokio::test]
async fn a_refused_message_holds_its_record_only_and_is_given_up_after_twenty_times() -> Result<()>
{
    let bench = Bench::create().await?;
    let (patient, hopeless) = (id(), id());
    write(&bench, patient, NOWHERE, 0).await?;
    write(&bench, hopeless, NOWHERE, 19).await?;
    write(&bench, id(), SOMEWHERE, 0).await?;
    let lifecycle = relay(&bench)?;

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
    assert!(bench.broker.take(SOMEWHERE).await?.is_some());
    bench.finish(lifecycle).await
}

/// The ids of all messages that arrived, in order.
async fn arrived(bench: &Bench) -> Result<Vec<Uuid>> {
    let mut ids = Vec::new();
    while let Some(message) = bench.broker.take(SOMEWHERE).await? {
        let id = message.properties.message_id().as_ref();
        ids.push(id.context("a message has an id")?.as_str().parse()?);
    }
    Ok(ids)
}

#[tokio::test]
async fn later_messages_of_a_record_wait_for_a_refused_one_and_arrive_behind_it() -> Result<()> {
    let bench = Bench::create().await?;
    let record = id();
    // After so many refusals it rests for minutes.
    let refused = write(&bench, record, NOWHERE, 12).await?;
    let lifecycle = relay(&bench)?;
    until("it is refused", || waits(&bench, refused, "= 13")).await?;

    let later = write(&bench, record, SOMEWHERE, 0).await?;
    let of_another = write(&bench, id(), SOMEWHERE, 0).await?;
    until("the other record's has left", || async {
        Ok(!waits(&bench, of_another, "= 0").await?)
    })
    .await?;
    assert!(waits(&bench, later, "= 0").await?, "it did not wait");

    // Its second attempt comes with a look at everything that is left.
    let witness = write(&bench, id(), NOWHERE, 0).await?;
    until("all were looked at", || waits(&bench, witness, ">= 2")).await?;
    assert!(waits(&bench, later, "= 0").await?, "it did not wait longer");

    let own = queues_exchange(Publisher::Finance);
    bench.broker.bind(SOMEWHERE, &own, NOWHERE).await?;
    sqlx::query("UPDATE outbox SET next_at = now() WHERE attempts > 0")
        .execute(&bench.database.owned)
        .await?;
    until("everything has left", || async {
        Ok(bench.database.count("outbox", "true").await? == 0)
    })
    .await?;
    let mut arrived = arrived(&bench).await?;
    arrived.retain(|message| *message != witness);
    assert_eq!(arrived, [of_another, refused, later]);
    bench.finish(lifecycle).await
}
