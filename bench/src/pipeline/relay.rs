//! Outbox to broker: rows that are there at once, beside one confirmed publisher.

use std::time::Duration;

use anyhow::{Result, ensure};
use platform::outbox;
use sea_orm::{Database, TransactionTrait as _};
use tokio::time::{Instant, sleep};

use super::{Bench, Findings, say};
use crate::{
    bare::publisher::BarePublisher,
    report::Comparison,
    services::{Kind, Process},
    usage::{self, Sample},
};

/// Messages per round.
const MESSAGES: u32 = 30_000;

/// Rows written by one statement, before the clock starts.
const ROWS: usize = 1_000;

/// The longest a round may take.
const PATIENCE: Duration = Duration::from_mins(2);

pub(super) async fn measure(bench: &Bench<'_>, findings: &mut Findings) -> Result<()> {
    let publisher = BarePublisher::open(&bench.broker).await?;
    let service = bench.launcher.start(Kind::Tasks, 0, &bench.tasks).await?;
    sleep(super::SETTLING).await;
    let idle = usage::memory(service.pid)?.now;
    let (mut bare, mut real) = (Vec::new(), Vec::new());
    for round in 0..=bench.rounds {
        let bare_sample = publish(bench, &publisher).await?;
        let real_sample = relay(bench, &service).await?;
        say(&format!(
            "relay {round}: bare {:.0}/s, relay {:.0}/s",
            bare_sample.per_second, real_sample.per_second
        ));
        // The first round warms everything up.
        if round > 0 {
            bare.push(bare_sample);
            real.push(real_sample);
        }
    }
    let peak = usage::memory(service.pid)?.peak;
    findings.remember_memory(Kind::Tasks.name(), idle, peak);
    findings.comparisons.push(Comparison {
        figure: "relay, outbox to broker",
        event: "messages",
        goal_percent: 80.0,
        goal_per_second: None,
        bare,
        real,
    });
    service.stop().await
}

async fn publish(bench: &Bench<'_>, publisher: &BarePublisher) -> Result<Sample> {
    let messages = bench.maker.prepare(&bench.maker.events(MESSAGES))?;
    let own = [std::process::id()];
    let begin = bench.meter.read(&own)?;
    publisher.publish(messages).await?;
    let sample = begin.until(&bench.meter.read(&own)?, MESSAGES);
    bench.expect_waiting(MESSAGES).await?;
    bench.broker.purge().await?;
    Ok(sample)
}

/// All rows become visible by one commit; the clock stops when the last one has left the outbox.
async fn relay(bench: &Bench<'_>, service: &Process) -> Result<Sample> {
    let rows = bench.maker.outbox(&bench.maker.events(MESSAGES));
    let db = Database::connect(bench.tasks.owner_url()).await?;
    let txn = db.begin().await?;
    for part in rows.chunks(ROWS) {
        outbox::append(&txn, part).await?;
    }
    let begin = bench.meter.read(&[service.pid])?;
    txn.commit().await?;
    let asked = Instant::now();
    let left = "SELECT EXISTS (SELECT FROM outbox WHERE position = (SELECT last_value FROM outbox_position_seq))";
    while sqlx::query_scalar(left)
        .fetch_one(&bench.tasks.owned)
        .await?
    {
        ensure!(
            asked.elapsed() < PATIENCE,
            "the outbox does not become empty"
        );
        sleep(Duration::from_millis(2)).await;
    }
    let sample = begin.until(&bench.meter.read(&[service.pid])?, MESSAGES);
    db.close().await?;
    ensure!(
        bench.tasks.count("outbox").await? == 0,
        "rows were left behind"
    );
    bench.expect_waiting(MESSAGES).await?;
    bench.broker.purge().await?;
    Ok(sample)
}
