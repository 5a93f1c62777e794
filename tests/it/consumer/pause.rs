//! What every message needs is away: consuming pauses, nothing goes to retry, and nothing is lost.

use std::time::Duration;

use anyhow::{Context as _, Result};
use contracts::topology::FINANCE_TASKS;
use lapin::message::BasicGetMessage;
use platform::{
    consumer::ConsumerOptions,
    operations::activity::{ConsumerReport, Phase},
};
use tokio::time::sleep;

use super::bench::Bench;
use crate::support::waiting::until;

#[tokio::test]
async fn a_pause_closes_the_channel_probes_with_one_message_and_loses_none() -> Result<()> {
    let bench = Bench::create().await?;
    bench.publish(600).await?;
    let consuming = bench.consume()?;
    until("the first messages are applied", || async {
        Ok(bench.database.count("inbox", "true").await? > 0)
    })
    .await?;

    bench.conduct.go_away();
    bench.publish(600).await?;
    until("it was asked for in vain, then probed for", || async {
        Ok(bench.conduct.asked_while_away() >= 4)
    })
    .await?;
    let applied = bench.database.count("inbox", "true").await?;
    until(
        "everything is back in the queue and nobody consumes",
        || async {
            let (messages, consumers) = bench.broker.state(FINANCE_TASKS.name).await?;
            Ok(consumers == 0 && i64::from(messages) == 1_200 - applied)
        },
    )
    .await?;

    bench.conduct.come_back();
    bench.until_applied(1_200).await?;
    assert_eq!(bench.parked().await?, []);
    bench.finish(consuming).await
}

#[tokio::test]
async fn pausing_again_and_again_loses_and_doubles_nothing() -> Result<()> {
    let bench = Bench::create().await?;
    let consuming = bench.consume()?;
    for round in 1..=4 {
        bench.conduct.go_away();
        let before = bench.conduct.asked_while_away();
        bench.publish(300).await?;
        until("it was asked for in vain", || async {
            Ok(bench.conduct.asked_while_away() > before)
        })
        .await?;
        bench.conduct.come_back();
        bench.until_applied(300 * round).await?;
    }
    assert_eq!(bench.parked().await?, []);
    bench.finish(consuming).await
}

#[tokio::test]
async fn while_the_database_takes_no_rows_nothing_is_delivered_in_vain() -> Result<()> {
    let bench = Bench::create().await?;
    let right = async |sql: &'static str| sqlx::query(sql).execute(&bench.database.owned).await;
    right("REVOKE INSERT ON inbox FROM finance_app").await?;
    bench.publish(1).await?;
    let broker = bench.connections()?;
    let refused = bench.consume_over(&broker, ConsumerOptions::default().linger);
    until("consuming rests", || async {
        let told = broker.activity().consumers();
        let rests = |report: &ConsumerReport| report.phase == Phase::Paused;
        Ok(told.iter().any(rests))
    })
    .await?;
    // Several times as long as the first pauses between two looks.
    sleep(Duration::from_secs(2)).await;
    refused.stop_and_wait().await;
    let message = bench.broker.take(FINANCE_TASKS.name).await?;
    let message = message.context("it is back in the queue")?;
    assert_eq!(delivered_before(&message), Some(1));

    right("GRANT INSERT ON inbox TO finance_app").await?;
    let consuming = bench.consume()?;
    bench.publish(1).await?;
    bench.until_applied(1).await?;
    assert_eq!(bench.parked().await?, []);
    bench.finish(consuming).await
}

/// How often the broker delivered a message in vain.
fn delivered_before(message: &BasicGetMessage) -> Option<i64> {
    let headers = message.properties.headers().as_ref()?;
    headers.inner().get("x-delivery-count")?.as_long_long_int()
}
