//! Publishes what is in the outbox, in order per record, and removes it after the broker's confirm.
//!
//! One process of a service leads (DESIGN.md section 2: safe at N replicas); the others stand by and
//! take over when its connection to the database ends. Whatever breaks, the lead is given up and
//! everything starts over from the table, so messages may be sent twice and never get lost. The
//! messages of one record leave in order; one that the broker refuses holds back the later ones that
//! were not sent yet.

mod gaps;
mod lead;
mod pipeline;
mod rows;
mod settle;

pub use lead::LEAD_LOCK;

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    db::DatabaseConfig,
    errors::explain,
    lifecycle::Lifecycle,
    operations::activity::Activity,
    outbox::OutboxSignal,
    rabbit::{Broker, ConfirmedPublisher, Link, LinkError},
    sources::Sources,
};
use lead::{Cleaner, Lead};
use pipeline::Pipeline;

/// How long a stopping process goes on to empty the outbox.
const LAST_PASS: Duration = Duration::from_secs(5);

/// Whatever went on for so long was no start that failed; the pauses begin anew.
const HEALTHY: Duration = Duration::from_secs(30);

/// Why relaying was interrupted.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The database URL cannot be read.
    #[error("the database URL cannot be read")]
    Url(#[source] sqlx::Error),
    /// The database failed; with it the lead is lost.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// The database did not answer in time.
    #[error("the database did not answer in time")]
    DatabaseSilent,
    /// The broker failed.
    #[error("the broker failed")]
    Broker(#[from] LinkError),
}

/// Relays until the process stops.
///
/// It keeps two connections of its own, past the pool: one holds the lead. `signal` wakes it at once
/// after a commit of this process. After messages left, the next ones gather for a while and leave
/// together, which costs less; `gathering` is zero where somebody waits for them.
///
/// # Errors
/// [`RelayError::Url`].
pub fn spawn(
    lifecycle: &Lifecycle,
    database: &DatabaseConfig,
    broker: &Broker,
    sources: &Sources,
    signal: OutboxSignal,
    gathering: Duration,
) -> Result<(), RelayError> {
    let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(5));
    let relay = Relay {
        options: lead::options(&database.url).map_err(RelayError::Url)?,
        link: broker.publishing().clone(),
        activity: broker.activity().clone(),
        sources: sources.clone(),
        signal,
        gathering,
        stopping: lifecycle.stopping(),
        backoff: Backoff::new(shortest, longest, sources.rng()),
    };
    metrics::gauge!("task_exchange_relay_leads").set(0);
    for counted in ["published", "confirmed", "refused"] {
        // So that the first one is seen as a change.
        metrics::counter!(format!("task_exchange_relay_{counted}_total")).absolute(0);
    }
    lifecycle.spawn("relay", relay.run());
    Ok(())
}

#[derive(Debug)]
struct Relay {
    options: PgConnectOptions,
    link: Link,
    activity: Activity,
    sources: Sources,
    signal: OutboxSignal,
    gathering: Duration,
    stopping: CancellationToken,
    backoff: Backoff,
}

impl Relay {
    async fn run(mut self) {
        let stopping = self.stopping.clone();
        loop {
            let since = Instant::now();
            let pipeline = tokio::select! {
                pipeline = self.take_the_lead() => pipeline,
                () = stopping.cancelled() => return,
            };
            let outcome = match pipeline {
                Ok(pipeline) => {
                    tracing::info!("this process relays the outbox");
                    let _leading = Leading::begin();
                    tokio::select! {
                        outcome = pipeline.run(&self.signal, &stopping) => outcome,
                        () = last_pass_is_over(&stopping) => return,
                    }
                }
                Err(error) => Err(error),
            };
            let Err(error) = outcome else { return };
            if since.elapsed() > HEALTHY {
                self.backoff.reset();
            }
            tracing::warn!(error = explain(&error), "relaying is interrupted");
            if let RelayError::Broker(error) = &error {
                self.link.abandon(error);
            }
            tokio::select! {
                () = sleep(self.backoff.next_pause()) => {}
                () = stopping.cancelled() => return,
            }
        }
    }

    /// The broker first: who cannot publish should not lead.
    async fn take_the_lead(&self) -> Result<Pipeline, RelayError> {
        let publisher = ConfirmedPublisher::open(&self.link).await?;
        let lead = Lead::acquire(&self.options).await?;
        let cleaner = Cleaner::connect(&self.options).await?;
        Ok(Pipeline::new(
            publisher,
            lead,
            cleaner,
            self.sources.clone(),
            self.activity.clone(),
            self.gathering,
        ))
    }
}

/// Tells the metrics that this process leads, for as long as it exists.
struct Leading;

impl Leading {
    fn begin() -> Self {
        metrics::gauge!("task_exchange_relay_leads").set(1);
        Self
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        metrics::gauge!("task_exchange_relay_leads").set(0);
    }
}

/// A broker that takes nothing must not keep the process from stopping.
async fn last_pass_is_over(stopping: &CancellationToken) {
    stopping.cancelled().await;
    sleep(LAST_PASS).await;
}
