//! Applies messages that did not come through their queue, by the same inbox and the same handler.

use std::sync::Arc;

use contracts::topology::ConsumerQueue;
use tokio_util::sync::CancellationToken;

use super::{
    BatchHandler, ConsumerContext, Incoming,
    batch::{Known, MessageProcessor},
    worker::{Interrupted, Process as _},
};

/// Why messages could not be applied; giving them again is safe.
#[derive(Debug, thiserror::Error)]
#[error("the messages could not be applied")]
pub struct IntakeError(#[source] Interrupted);

/// The way of one queue's messages into the database, without the queue.
///
/// It may be used while the service runs: the inbox sees to it that each message takes effect once. A
/// message that fails goes to the retry queues, as if it had come through its queue.
#[derive(Debug)]
pub struct Intake<H> {
    queue: ConsumerQueue,
    processor: MessageProcessor<H>,
}

impl<H: BatchHandler> Intake<H> {
    /// Leaves out what the inbox knows.
    #[must_use]
    pub fn new(context: ConsumerContext, handler: H) -> Self {
        let queue = handler.queue();
        let stopping = CancellationToken::new();
        Self {
            queue,
            processor: MessageProcessor::new(context, Arc::new(handler), stopping),
        }
    }

    /// Applies messages again that only refresh a cache ([`BatchHandler::refreshing_keys`]).
    #[must_use]
    pub fn refreshing(self) -> Self {
        let processor = self.processor.with_known(Known::Refresh);
        Self { processor, ..self }
    }

    /// The queue whose messages it takes.
    #[must_use]
    pub fn queue(&self) -> ConsumerQueue {
        self.queue
    }

    /// Applies messages, or sees to it that they are tried again or parked.
    ///
    /// # Errors
    /// [`IntakeError`] when the database or the broker stays away.
    pub async fn apply(&mut self, messages: &[Incoming]) -> Result<(), IntakeError> {
        if messages.is_empty() {
            return Ok(());
        }
        self.processor.process(messages).await.map_err(IntakeError)
    }
}
