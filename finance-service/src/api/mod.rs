//! The interface for machines: whether the process lives and is ready.

use platform::{http, routes::Routes, sources::Sources};
use sea_orm::DatabaseConnection;

/// `/health/live` and `/health/ready`.
pub fn router(db: DatabaseConnection, sources: Sources) -> Routes {
    http::with_defaults(http::process_routes(db), sources)
}
