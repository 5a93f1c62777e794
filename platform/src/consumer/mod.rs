//! Consuming a queue: batches, one transaction each, each message applied once (DESIGN.md section 8).
//!
//! A batch is written in one transaction together with its inbox rows and acknowledged after the
//! commit. When the batch fails it is halved until the message at fault stands alone; that one goes
//! through the retry queues and is parked in the end, the others commit. Nothing here depends on
//! order or count: retries and redeliveries break both.

mod batch;
mod bisect;
mod dead;
mod fate;
mod handover;
mod incoming;
mod intake;
mod patience;
mod retry;
mod seen;
mod subscription;
mod worker;

pub use incoming::Incoming;
pub use intake::{Intake, IntakeError};

use std::{error::Error, future::Future, sync::Arc, time::Duration};

use contracts::{DecodeError, topology::ConsumerQueue};
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr};
use uuid::Uuid;

use crate::{db, lifecycle::Lifecycle, rabbit::Broker, sources::Sources, trace::TraceContext};

/// Applies messages of one queue.
pub trait BatchHandler: Send + Sync + 'static {
    /// The queue it reads; also its name in the inbox.
    fn queue(&self) -> ConsumerQueue;

    /// The routing keys it understands; others are parked.
    fn keys(&self) -> &'static [&'static str];

    /// Applies messages that were not applied before, and says of each what became of it.
    ///
    /// `messages` is never empty and holds no id twice. Nothing outside the transaction may be
    /// changed, because it may be rolled back and tried again with fewer messages.
    ///
    /// # Errors
    /// [`HandlerError`], for the batch as a whole.
    fn handle(
        &self,
        txn: &DatabaseTransaction,
        messages: &[&Incoming],
    ) -> impl Future<Output = Result<Vec<Verdict>, HandlerError>> + Send;

    /// The keys whose messages only refresh a cache behind a guard: applying one twice is harmless, so a
    /// replay may apply them again to rebuild that cache.
    fn refreshing_keys(&self) -> &'static [&'static str] {
        &[]
    }

    /// Called after a commit: the place to wake the relay or the fetch job.
    fn committed(&self) {}
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its effect is in the transaction.
    Applied,
    /// It changes nothing: older than what is known, or known already.
    Ignored,
    /// Its body is not what its key promises; it is parked.
    Unreadable(String),
    /// It makes no sense here and a person should look; the reason is shown to them.
    Park(String),
    /// It contradicts what was booked before (DESIGN.md M5); parked, with an alarm.
    Conflict(String),
}

impl From<DecodeError> for Verdict {
    fn from(error: DecodeError) -> Self {
        Self::Unreadable(format!("{error}: {}", error.cause))
    }
}

/// Why a batch could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The database refused; whether trying again helps depends on its code.
    #[error("the database failed")]
    Database(#[from] DbErr),
    /// Something that every message needs is down; consuming rests until it may be back.
    #[error("{0} does not answer")]
    Unavailable(String),
    /// A message is at fault; the batch is halved until it stands alone.
    #[error("the message cannot be handled")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl HandlerError {
    /// A message is at fault.
    #[must_use]
    pub fn failed(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(cause.into())
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Database(error) => db::ErrorKind::of(error) == db::ErrorKind::Transient,
            Self::Unavailable(_) => true,
            Self::Failed(_) => false,
        }
    }
}

/// The trace in which each record was met: what a handler says of the record goes on with it.
pub fn traces<E>(
    read: &[Result<E, Verdict>],
    messages: &[&Incoming],
    record: impl Fn(&E) -> Uuid,
) -> Vec<(Uuid, TraceContext)> {
    let met = |(event, message): (&Result<E, Verdict>, &&Incoming)| {
        Some((record(event.as_ref().ok()?), message.trace()?))
    };
    read.iter().zip(messages).filter_map(met).collect()
}

/// How large batches are and how patient consuming is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerOptions {
    /// The most messages in one transaction.
    pub batch: u16,
    /// How long a batch waits for more messages after its first.
    pub linger: Duration,
    /// How long a batch is tried again in hand while the database is away; after that the messages
    /// go back to the queue and consuming rests.
    pub hold: Duration,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            batch: 500,
            linger: Duration::from_millis(5),
            hold: Duration::from_secs(30),
        }
    }
}

/// What consumers share.
#[derive(Debug, Clone)]
pub struct ConsumerContext {
    /// The broker.
    pub broker: Broker,
    /// The service's database.
    pub db: DatabaseConnection,
    /// Time and ids.
    pub sources: Sources,
    /// Sizes and pauses.
    pub options: ConsumerOptions,
}

/// Consumes the handler's queue, and drains its dead-letter queue into the parked messages, until the
/// process stops. Replicas may do the same at once.
pub fn spawn<H: BatchHandler>(lifecycle: &Lifecycle, context: &ConsumerContext, handler: H) {
    let queue = handler.queue();
    seen::announce(queue.name);
    let stopping = lifecycle.stopping();
    let handler = Arc::new(handler);
    let messages = batch::MessageProcessor::new(context.clone(), handler, stopping.clone());
    let dead = dead::DeadProcessor::new(context.clone(), queue, stopping.clone());
    lifecycle.spawn(
        queue.name,
        worker::Worker::new(context, queue.name.to_owned(), stopping.clone()).run(messages),
    );
    let dead_queue = contracts::topology::dead_queue(queue.name);
    lifecycle.spawn(
        "dead letters",
        worker::Worker::new(context, dead_queue, stopping).run(dead),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_500_messages_at_most_and_waits_5_milliseconds_for_them() {
        let ConsumerOptions { batch, linger, .. } = ConsumerOptions::default();
        assert_eq!((batch, linger), (500, Duration::from_millis(5)));
    }
}
