//! The REST interface for machines: users for the services, operations for the operations page.

mod operations;
mod users;

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use axum::extract::{FromRef, rejection::JsonRejection};
use platform::{
    auth::MachineAuth, conciliation, db::ErrorKind, errors, http, problem::Problem, routes::Routes,
    sources::Sources,
};
use sea_orm::DatabaseConnection;
use serde::Deserialize;

use crate::store::StoreError;

/// The pause asked of callers while the copy is not complete or the database is away.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Section `[api]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The most requests a second of each caller.
    pub per_caller_per_second: NonZeroU32,
}

/// What the routes need.
#[derive(Debug, Clone)]
pub struct ApiState {
    /// The bridge's database.
    pub db: DatabaseConnection,
    /// Who may ask.
    pub auth: MachineAuth,
    /// Time and ids.
    pub sources: Sources,
}

impl FromRef<ApiState> for DatabaseConnection {
    fn from_ref(state: &ApiState) -> Self {
        state.db.clone()
    }
}

impl FromRef<ApiState> for MachineAuth {
    fn from_ref(state: &ApiState) -> Self {
        state.auth.clone()
    }
}

impl FromRef<ApiState> for Sources {
    fn from_ref(state: &ApiState) -> Self {
        state.sources.clone()
    }
}

/// Everything that the bridge answers.
pub fn router(state: ApiState) -> Routes {
    let process = http::process_routes(state.db.clone());
    let sources = state.sources.clone();
    let sent = conciliation::routes(state.db.clone(), state.auth.clone());
    let machines = users::routes().merge(operations::routes());
    let machines = machines.with_state(state).merge(sent);
    http::with_defaults(machines.merge(process), sources)
}

fn unreadable(rejection: &JsonRejection) -> Problem {
    Problem::new(rejection.status(), rejection.body_text())
}

fn failed(error: &StoreError) -> Problem {
    if let StoreError::Database(cause) = error
        && ErrorKind::of(cause) == ErrorKind::Transient
    {
        tracing::warn!(
            error = errors::explain(error),
            "the database does not answer"
        );
        return Problem::unavailable(RETRY_AFTER);
    }
    tracing::error!(
        error = errors::explain(error),
        "a request cannot be answered"
    );
    Problem::internal()
}
