//! How long a batch is tried again in hand before it is given back.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{ConsumerContext, HandlerError, worker::Interrupted};
use crate::{backoff::Backoff, errors::explain};

/// How long one transaction may take; longer means that the database is gone without a word.
const TRANSACTION_LIMIT: Duration = Duration::from_secs(30);

/// Runs a transaction under its time limit.
pub(super) async fn in_time<T>(
    work: impl Future<Output = Result<T, HandlerError>>,
) -> Result<T, HandlerError> {
    let silent = |_elapsed| Err(HandlerError::Unavailable("the database".to_owned()));
    timeout(TRANSACTION_LIMIT, work)
        .await
        .unwrap_or_else(silent)
}

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
