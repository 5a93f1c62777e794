//! A message that fails on its own goes through retry queues of growing delay and is parked in the end.

use anyhow::{Context as _, Result};
use contracts::{
    Message as _,
    tasks::TaskAssigned,
    topology::{FINANCE_TASKS, Publisher, RETRY_DELAYS_MS, queues_exchange, retry_queue},
};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use uuid::Uuid;

use super::bench::Bench;
use crate::support::{
    builders::{assigned, id},
    waiting::{eventually, until},
};

/// A message about `task` that failed `attempts` times, as it comes back from a retry queue.
async fn publish_failed(bench: &Bench, task: Uuid, attempts: i64) -> Result<()> {
    let mut headers = FieldTable::default();
    let key = AMQPValue::LongString(TaskAssigned::KEY.into());
    headers.insert("origin-routing-key".into(), key);
    headers.insert("retry-attempt".into(), AMQPValue::LongLongInt(attempts));
    headers.insert("schema_version".into(), AMQPValue::LongLongInt(1));
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_message_id(id().to_string().into())
        .with_headers(headers);
    let exchange = queues_exchange(Publisher::Finance);
    let body = serde_json::to_vec(&assigned(task, id(), 0))?;
    bench
        .broker
        .send(&exchange, FINANCE_TASKS.name, properties, &body)
        .await
}

#[tokio::test]
async fn each_failure_leads_to_the_next_longer_delay_and_the_last_one_to_a_person() -> Result<()> {
    let bench = Bench::create().await?;
    let consuming = bench.consume()?;
    let task = id();
    bench.conduct.fail(task);
    for (failed_before, delay_ms) in (0_i64..).zip(RETRY_DELAYS_MS).skip(1) {
        publish_failed(&bench, task, failed_before).await?;
        let queue = retry_queue(FINANCE_TASKS.name, delay_ms);
        let copy = eventually(&format!("a copy in {queue}"), || bench.broker.take(&queue)).await?;
        let headers = copy
            .properties
            .headers()
            .as_ref()
            .context("it has headers")?;
        let attempts = headers.inner().get("retry-attempt");
        assert_eq!(attempts, Some(&AMQPValue::LongLongInt(failed_before + 1)));
        let Some(AMQPValue::LongString(error)) = headers.inner().get("retry-error") else {
            anyhow::bail!("the copy says why");
        };
        let error = String::from_utf8_lossy(error.as_bytes());
        assert!(error.contains("told to fail"), "{error}");
    }
    publish_failed(&bench, task, i64::try_from(RETRY_DELAYS_MS.len())?).await?;
    until("it is parked", || async {
        Ok(bench.parked().await?.len() == 1)
    })
    .await?;
    let (kind, reason) = bench.parked().await?.remove(0);
    assert_eq!(kind, "failed");
    assert!(reason.contains("told to fail"), "{reason}");
    bench.finish(consuming).await
}

#[tokio::test]
async fn a_failure_that_passes_is_applied_once_and_holds_nobody_up() -> Result<()> {
    let bench = Bench::create().await?;
    let ill = bench.publish(1).await?;
    bench.conduct.fail(ill[0]);
    bench.publish(99).await?;
    let consuming = bench.consume()?;
    bench.until_applied(99).await?;
    bench.conduct.heal(ill[0]);
    bench.until_applied(100).await?;
    assert_eq!(bench.parked().await?, []);
    bench.finish(consuming).await
}
