//! The interface for machines: whether the process lives and is ready.

use axum::Router;
use platform::{http, sources::Sources};
use sea_orm::DatabaseConnection;

/// `/health/live` and `/health/ready`.
pub fn router(db: DatabaseConnection, sources: Sources) -> Router {
    http::with_defaults(http::process_routes(db), sources)
}
