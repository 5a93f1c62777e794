//! What the operations page of the task board sees of the bridge and asks of it (DESIGN.md section 8).

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    routing::{get, post},
};
use contracts::operations::{
    AcceptDeletions, BridgeState, MANAGE_SCOPE, MAX_DEAD, Reconcile, ResolveDead,
};
use platform::{
    auth::{Machine, MachineScope},
    problem::{FieldError, Problem},
    routes::Routes,
    sources::Sources,
};
use sea_orm::DatabaseConnection;
use uuid::Uuid;

use super::{ApiState, failed, unreadable};
use crate::operations::{self, Acceptance, Command, Resolution};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// The scope that all routes here ask for.
#[derive(Debug)]
struct Manage;

impl MachineScope for Manage {
    const NAME: &'static str = MANAGE_SCOPE;
}

pub(super) fn routes() -> Routes<ApiState> {
    Routes::new()
        .route("/operations", get(state))
        .route("/operations/reconcile", post(reconcile))
        .route("/operations/accept-deletions", post(accept_deletions))
        .route("/operations/outbox-dead/retry", post(retry_dead))
        .route("/operations/outbox-dead/discard", post(discard_dead))
}

/// How the bridge is.
async fn state(
    _caller: Machine<Manage>,
    State(db): State<DatabaseConnection>,
) -> Result<Json<BridgeState>, Problem> {
    let state = operations::view(&db).await;
    state.map(Json).map_err(|error| failed(&error))
}

/// A full comparison now.
async fn reconcile(
    _caller: Machine<Manage>,
    State(db): State<DatabaseConnection>,
    State(sources): State<Sources>,
    body: Result<Json<Reconcile>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(Reconcile { asked_by }) = body.map_err(|rejection| unreadable(&rejection))?;
    operations::reconcile(&db, &command(&sources, asked_by))
        .await
        .map_err(|error| failed(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The deletions that the guard held back, once.
async fn accept_deletions(
    _caller: Machine<Manage>,
    State(db): State<DatabaseConnection>,
    State(sources): State<Sources>,
    body: Result<Json<AcceptDeletions>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(asked) = body.map_err(|rejection| unreadable(&rejection))?;
    let reason = reason(&asked.reason)?;
    let command = command(&sources, asked.asked_by);
    match operations::accept_deletions(&db, &command, asked.missing, reason).await {
        Ok(Acceptance::Accepted) => Ok(StatusCode::NO_CONTENT),
        Ok(Acceptance::NotAsShown) => Err(Problem::conflict(
            "There is no alarm about that many missing users any more.",
        )),
        Err(error) => Err(failed(&error)),
    }
}

/// Messages that the broker refused, once more.
async fn retry_dead(
    _caller: Machine<Manage>,
    State(db): State<DatabaseConnection>,
    State(sources): State<Sources>,
    body: Result<Json<ResolveDead>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(asked) = body.map_err(|rejection| unreadable(&rejection))?;
    resolve(&db, &sources, &asked, Resolution::Retry).await
}

/// Messages that the broker refused, never again.
async fn discard_dead(
    _caller: Machine<Manage>,
    State(db): State<DatabaseConnection>,
    State(sources): State<Sources>,
    body: Result<Json<ResolveDead>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(asked) = body.map_err(|rejection| unreadable(&rejection))?;
    reason(&asked.reason)?;
    resolve(&db, &sources, &asked, Resolution::Discard).await
}

async fn resolve(
    db: &DatabaseConnection,
    sources: &Sources,
    asked: &ResolveDead,
    resolution: Resolution,
) -> Result<StatusCode, Problem> {
    if asked.positions.len() > MAX_DEAD {
        let detail = format!("At most {MAX_DEAD} messages may be named at once.");
        return Err(Problem::bad_request(detail));
    }
    match operations::resolve_dead(db, sources, asked, resolution).await {
        Ok(0) => Err(Problem::conflict("None of these messages waits any more.")),
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(failed(&error)),
    }
}

fn command(sources: &Sources, asked_by: Uuid) -> Command {
    Command {
        id: sources.new_id(),
        at: sources.now(),
        asked_by,
    }
}

fn reason(given: &str) -> Result<&str, Problem> {
    let reason = given.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
        return Err(Problem::unprocessable(vec![FieldError {
            field: "reason".into(),
            message: format!("A reason of at most {LONGEST_REASON} characters is needed.").into(),
        }]));
    }
    Ok(reason)
}
