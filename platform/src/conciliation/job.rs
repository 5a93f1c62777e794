//! The job that compares every settled hour of the last days, and says once when something is missing.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use contracts::topology::ConsumerQueue;
use sea_orm::DatabaseConnection;
use tokio::time::sleep;

use super::{ConciliationError, Examined, SentLog, Span, examine, hours::settled, ledger};
use crate::{
    backoff::Backoff, db::within, errors::explain, lifecycle::Lifecycle, sources::Sources,
};

/// The pause after a day that could not be compared. A sender that is slow to count must not seem to fail at
/// everything it is asked: the breaker of its clients counts failures in a row.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// How long one pass may take; the next one goes on with what this one left.
const LONGEST: Duration = Duration::from_mins(30);

/// The pause between two looks for hours that have settled; after a failure it is shorter.
const PERIOD: Duration = Duration::from_mins(10);

/// How many days back the job looks; inbox and sent log are kept for longer.
const DAYS: u16 = 7;

/// Compares what `log` says with the inbox of `queue` until the process stops. Every replica may do it.
pub fn spawn<L: SentLog>(
    lifecycle: &Lifecycle,
    db: &DatabaseConnection,
    sources: &Sources,
    queue: ConsumerQueue,
    log: L,
) {
    let stopping = lifecycle.stopping();
    let (shortest, longest) = (Duration::from_secs(1), Duration::from_mins(1));
    let mut backoff = Backoff::new(shortest, longest, sources.rng());
    let mut job = Job {
        db: db.clone(),
        sources: sources.clone(),
        queue,
        log,
        complete: BTreeSet::new(),
    };
    lifecycle.spawn("conciliation", async move {
        loop {
            let outcome = tokio::select! {
                outcome = within(LONGEST, job.pass()) => outcome,
                () = stopping.cancelled() => return,
            };
            let pause = match outcome {
                Ok(()) => {
                    backoff.reset();
                    PERIOD
                }
                Err(error) => {
                    let (queue, error) = (queue.name, explain(&error));
                    tracing::warn!(queue, error, "messages could not be compared");
                    backoff.next_pause()
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = stopping.cancelled() => return,
            }
        }
    });
}

struct Job<L> {
    db: DatabaseConnection,
    sources: Sources,
    queue: ConsumerQueue,
    log: L,
    /// Hours that need no further look. A process that starts anew looks at all of them once.
    complete: BTreeSet<DateTime<Utc>>,
}

impl<L: SentLog> Job<L> {
    /// Goes through all days, also when one of them cannot be compared; that is the error then.
    async fn pass(&mut self) -> Result<(), ConciliationError> {
        let now = self.sources.now();
        let window = settled(now, DAYS);
        let mut outcome = Ok(());
        for day in window.days() {
            let mut due = day.hours().filter(|hour| !self.complete.contains(hour));
            let Some(from) = due.next() else { continue };
            let compared = self.compare(Span { from, ..day }, now).await;
            if compared.is_err() {
                sleep(AFTER_FAILURE).await;
            }
            outcome = outcome.and(compared);
        }
        self.complete.retain(|hour| *hour >= window.from);
        self.show(window).await?;
        outcome
    }

    async fn compare(&mut self, span: Span, now: DateTime<Utc>) -> Result<(), ConciliationError> {
        let Examined { compared, alarms } =
            examine(&self.db, &self.log, self.queue, span, now).await?;
        for alarm in alarms {
            tracing::error!(
                queue = self.queue.name,
                hour = %alarm.hour,
                key = alarm.routing_key,
                missing = alarm.missing,
                "messages were sent and never arrived; `conciliate --heal` applies them from the archive"
            );
        }
        let open = compared.iter().filter(|compared| !compared.is_complete());
        let open: BTreeSet<_> = open.map(|compared| compared.line.hour).collect();
        self.complete
            .extend(span.hours().filter(|hour| !open.contains(hour)));
        Ok(())
    }

    async fn show(&self, window: Span) -> Result<(), ConciliationError> {
        let queue = self.queue.name;
        let totals = ledger::totals(&self.db, queue, window).await?;
        metrics::gauge!("task_exchange_conciliation_missing", "queue" => queue)
            .set(level(totals.missing));
        metrics::gauge!("task_exchange_conciliation_surplus", "queue" => queue)
            .set(level(totals.surplus));
        Ok(())
    }
}

/// A count as a gauge shows it.
fn level(count: i64) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}
