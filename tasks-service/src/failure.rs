//! What a failure of the store means to whoever asked; the one place that logs it.

use std::time::Duration;

use platform::{db::ErrorKind, errors::explain, problem::Problem};

use crate::store::StoreError;

/// How soon another try is worth it when the database is away.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Whether another try may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The database is away for now.
    Unavailable,
    /// A fault of ours.
    Internal,
}

/// Writes the error to the log and says what kind it is.
#[must_use]
pub(crate) fn log(error: &StoreError) -> Failure {
    let is_transient = matches!(error, StoreError::Database(cause) if ErrorKind::of(cause) == ErrorKind::Transient);
    if is_transient {
        tracing::warn!(error = explain(error), "the database is away");
        Failure::Unavailable
    } else {
        tracing::error!(error = explain(error), "the store failed");
        Failure::Internal
    }
}

/// The answer of the REST interface.
#[must_use]
pub(crate) fn problem(error: &StoreError) -> Problem {
    match log(error) {
        Failure::Unavailable => Problem::unavailable(RETRY_AFTER),
        Failure::Internal => Problem::internal(),
    }
}
