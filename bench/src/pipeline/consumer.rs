//! Queue to ledger: Finance started on a full queue, beside bare SQL on the same queue.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use migrations::Database;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Bench, Findings, say};
use crate::{
    bare::{ledger, publisher::BarePublisher},
    databases::FreshDatabase,
    messages::Event,
    report::Comparison,
    services::Kind,
    usage::{self, Sample},
};

/// Events per round.
const EVENTS: u32 = 60_000;

/// The longest a round may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often the database is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// Whether Finance has met the tasks before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tasks {
    /// They have their prices, as after the messages that told of them: every event is a transfer.
    Priced,
    /// None has: half of the events also draw, keep and publish a price, and note what to fetch.
    New,
}

pub(super) async fn measure(bench: &Bench<'_>, findings: &mut Findings) -> Result<()> {
    let bare_books =
        FreshDatabase::create(bench.environment, Database::Finance, "bare_finance").await?;
    let publisher = BarePublisher::open(&bench.broker).await?;
    let idle = idle_memory(bench).await?;
    let mut under_load: f64 = idle;
    let (mut bare, mut priced, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=bench.rounds {
        fill(bench, &publisher, Tasks::New).await?;
        let bare_sample = ledger::consume(&bench.broker, &bare_books, &bench.meter, EVENTS).await?;
        let ends = fill(bench, &publisher, Tasks::Priced).await?;
        let (priced_sample, priced_peak) = consume(bench, ends).await?;
        let ends = fill(bench, &publisher, Tasks::New).await?;
        let (new_sample, new_peak) = consume(bench, ends).await?;
        under_load = under_load.max(priced_peak).max(new_peak);
        say(&format!(
            "consumer {round}: bare {:.0}/s, priced tasks {:.0}/s, new tasks {:.0}/s",
            bare_sample.per_second, priced_sample.per_second, new_sample.per_second
        ));
        // The first round warms everything up.
        if round > 0 {
            bare.push(bare_sample);
            priced.push(priced_sample);
            new.push(new_sample);
        }
    }
    findings.remember_memory(Kind::Finance.name(), idle, under_load);
    let comparison = |figure, real| Comparison {
        figure,
        event: "events",
        goal_percent: 50.0,
        goal_per_second: Some(20_000.0),
        bare: bare.clone(),
        real,
    };
    findings.comparisons.extend([
        comparison("Finance, queue to ledger", priced),
        comparison("Finance, queue to ledger, tasks never seen before", new),
    ]);
    Ok(())
}

/// Puts the events of one round into the queue and answers the ids of the first and the last.
async fn fill(bench: &Bench<'_>, publisher: &BarePublisher, tasks: Tasks) -> Result<[Uuid; 2]> {
    let events = bench.maker.events(EVENTS);
    if tasks == Tasks::Priced {
        price(bench, events.iter().map(Event::task).collect()).await?;
    }
    let messages = bench.maker.prepare(&events)?;
    let ends = [messages.first(), messages.last()].map(|message| message.map(|message| message.id));
    publisher.publish(messages).await?;
    bench.expect_waiting(EVENTS).await?;
    let [first, last] = ends;
    first
        .zip(last)
        .map(<[Uuid; 2]>::from)
        .context("there are no events")
}

/// Fixes prices as Finance does when it hears of tasks for the first time.
async fn price(bench: &Bench<'_>, tasks: Vec<Uuid>) -> Result<()> {
    let sql = "INSERT INTO task_price (task_uuid, fee_cents, reward_cents, fixed_at) \
               SELECT DISTINCT task, 1500, 3000, now() FROM unnest($1::uuid[]) AS task";
    sqlx::query(sql)
        .bind(tasks)
        .execute(&bench.finance.owned)
        .await?;
    Ok(())
}

/// The time counts from the moment the first event is visible in the inbox to the last.
async fn consume(bench: &Bench<'_>, [first, last]: [Uuid; 2]) -> Result<(Sample, f64)> {
    let goal = booked(bench).await? + i64::from(EVENTS);
    let service = bench
        .launcher
        .start(Kind::Finance, 0, &bench.finance)
        .await?;
    until_seen(bench, first).await?;
    let begin = bench.meter.read(&[service.pid])?;
    until_seen(bench, last).await?;
    // What came before the last event may be in another transaction that is not committed yet.
    while booked(bench).await? < goal {
        sleep(LOOK).await;
    }
    let sample = begin.until(&bench.meter.read(&[service.pid])?, EVENTS);
    let peak = usage::memory(service.pid)?.peak;
    service.stop().await?;
    bench.broker.purge().await?;
    Ok((sample, peak))
}

/// The number of transfers of all accounts, as their versions tell it.
async fn booked(bench: &Bench<'_>) -> Result<i64> {
    let sql = "SELECT coalesce(sum(version), 0)::bigint FROM employee_balance";
    Ok(sqlx::query_scalar(sql)
        .fetch_one(&bench.finance.owned)
        .await?)
}

async fn until_seen(bench: &Bench<'_>, message: Uuid) -> Result<()> {
    let asked = Instant::now();
    let seen = "SELECT EXISTS (SELECT FROM inbox WHERE message_id = $1)";
    let is_seen = || {
        sqlx::query_scalar(seen)
            .bind(message)
            .fetch_one(&bench.finance.owned)
    };
    loop {
        let seen: bool = is_seen().await?;
        if seen {
            return Ok(());
        }
        ensure!(asked.elapsed() < PATIENCE, "the queue is not worked off");
        sleep(LOOK).await;
    }
}

async fn idle_memory(bench: &Bench<'_>) -> Result<f64> {
    let service = bench
        .launcher
        .start(Kind::Finance, 0, &bench.finance)
        .await?;
    sleep(super::SETTLING).await;
    let idle = usage::memory(service.pid)?.now;
    service.stop().await?;
    Ok(idle)
}
