//! What consuming tells the metrics.

use std::time::Duration;

use contracts::topology::ConsumerQueue;
use metrics::{Counter, Gauge, Histogram};
use tracing::{Level, Span};

use super::Incoming;
use crate::trace::TraceContext;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Applied,
    Ignored,
    Duplicate,
    Retried,
    Parked,
}

impl Outcome {
    const ALL: [Self; 5] = [
        Self::Applied,
        Self::Ignored,
        Self::Duplicate,
        Self::Retried,
        Self::Parked,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Ignored => "ignored",
            Self::Duplicate => "duplicate",
            Self::Retried => "retried",
            Self::Parked => "parked",
        }
    }
}

/// Messages of `queue` met their `outcome`.
pub(super) fn count(queue: &'static str, outcome: Outcome, messages: usize) {
    let outcome = outcome.name();
    metrics::counter!("task_exchange_consumer_messages_total", "queue" => queue, "outcome" => outcome)
        .increment(number(messages));
}

/// A transaction of `queue` was committed.
pub(super) fn transaction_took(queue: &'static str, time: Duration) {
    metrics::histogram!("task_exchange_consumer_transaction_seconds", "queue" => queue)
        .record(time);
}

/// The span of a batch. A message alone is a step of its trace; a batch is linked to the traces of all
/// its messages by one line each, at debug level.
pub(super) fn span(queue: ConsumerQueue, messages: &[Incoming]) -> Span {
    let span = tracing::info_span!(
        "consumer.batch",
        queue = queue.name,
        messages = messages.len(),
        trace_id = tracing::field::Empty,
    );
    if let [message] = messages
        && let Some(trace) = message.trace()
    {
        span.record("trace_id", trace.trace_id());
    } else if tracing::enabled!(Level::DEBUG) {
        for message in messages {
            let trace_id = message.trace().map(TraceContext::trace_id);
            tracing::debug!(parent: &span, trace_id, message_id = ?message.message_id, "in this batch");
        }
    }
    span
}

/// Makes every outcome of `queue` known, so that the first one is seen as a change.
pub(super) fn announce(queue: &'static str) {
    for outcome in Outcome::ALL {
        count(queue, outcome, 0);
    }
}

/// The eye on one subscription.
pub(super) struct Seen {
    received: Counter,
    batches: Histogram,
    paused: Gauge,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").finish_non_exhaustive()
    }
}

impl Seen {
    pub(super) fn new(queue: &str) -> Self {
        let queue = queue.to_owned();
        let seen = Self {
            received: metrics::counter!("task_exchange_consumer_received_total", "queue" => queue.clone()),
            batches: metrics::histogram!("task_exchange_consumer_batch_messages", "queue" => queue.clone()),
            paused: metrics::gauge!("task_exchange_consumer_paused", "queue" => queue),
        };
        seen.paused.set(0);
        seen
    }

    pub(super) fn received(&self, messages: usize) {
        self.received.increment(number(messages));
        self.batches
            .record(f64::from(u32::try_from(messages).unwrap_or(u32::MAX)));
    }

    pub(super) fn paused(&self) {
        self.paused.set(1);
    }

    /// Nothing is known to be away any more.
    pub(super) fn resumed(&self) {
        self.paused.set(0);
    }
}

fn number(messages: usize) -> u64 {
    u64::try_from(messages).unwrap_or(u64::MAX)
}
