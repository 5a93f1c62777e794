//! The interface for machines: which messages were sent, and how the process is.

use platform::{auth::MachineAuth, conciliation, http, routes::Routes, sources::Sources};
use sea_orm::DatabaseConnection;

/// Everything that machines are answered.
pub fn router(db: DatabaseConnection, machines: MachineAuth, sources: Sources) -> Routes {
    let sent = conciliation::routes(db.clone(), machines);
    http::with_defaults(sent.merge(http::process_routes(db)), sources)
}
