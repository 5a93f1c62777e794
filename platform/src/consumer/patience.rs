//! How long a batch is tried again in hand before it is given back.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{ConsumerContext, HandlerError, worker::Interrupted};
use crate::{backoff::Backoff, errors::explain};

/// Waits between attempts at the same batch, but not for ever.
#[derive(Debug)]
pub(super) struct Patience {
    backoff: Backoff,
    until: Instant,
    stopping: CancellationToken,
}

impl Patience {
    pub(super) fn new(context: &ConsumerContext, stopping: CancellationToken) -> Self {
        let (shortest, longest) = (Duration::from_millis(50), Duration::from_secs(2));
        Self {
            backoff: Backoff::new(shortest, longest, context.sources.rng()),
            until: Instant::now() + context.options.hold,
            stopping,
        }
    }

    /// Waits after a failure, or says that the batch has to be given back.
    pub(super) async fn pause(&mut self, error: &HandlerError) -> Result<(), Interrupted> {
        if Instant::now() >= self.until {
            return Err(Interrupted::Unavailable(explain(error)));
        }
        tracing::debug!(error = explain(error), "a batch is tried again");
        tokio::select! {
            () = tokio::time::sleep(self.backoff.next_pause()) => Ok(()),
            () = self.stopping.cancelled() => Err(Interrupted::Stopping),
        }
    }
}
