//! What a failure means to the person who asked for a page; the one place that logs it.

use platform::{errors::explain, http::RequestId, ui::PageProblem};

use crate::app::statements::StatementError;

/// The page for an account that cannot be shown.
pub(super) fn page(error: &StatementError, request_id: RequestId) -> PageProblem {
    if error.is_transient() {
        tracing::warn!(error = explain(error), "the database is away");
        PageProblem::unavailable()
    } else {
        tracing::error!(error = explain(error), "an account cannot be shown");
        PageProblem::internal(request_id.0)
    }
}
