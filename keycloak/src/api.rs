//! The REST interface for machines: users by id, in batches, and page by page (DESIGN.md section 7).
//!
//! Answers come from the copy, so they are as quick as the database and go on while Keycloak is down;
//! `as_of` says how old they are.

use std::{collections::HashSet, net::SocketAddr, num::NonZeroU32, time::Duration};

use axum::{
    Json,
    extract::{
        FromRef, Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    routing::{get, post},
};
use contracts::{
    identity::{BatchGetUsers, User, UsersBatch, UsersPage},
    rest,
    topology::MAX_BATCH_GET,
};
use platform::{
    auth::{Machine, MachineAuth, MachineScope},
    db::ErrorKind,
    errors, http,
    problem::Problem,
    routes::Routes,
    sources::Sources,
};
use sea_orm::DatabaseConnection;
use serde::Deserialize;
use uuid::Uuid;

use crate::store::{StoreError, people};

/// The pause asked of callers while the copy is not complete or the database is away.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// The users of one page unless the caller asks for another number, and the most.
const PAGE: u32 = 200;
const MAX_PAGE: u32 = 500;

/// Section `[api]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The most requests a second of each caller.
    pub per_caller_per_second: NonZeroU32,
}

/// The scope that all routes here ask for.
#[derive(Debug)]
struct UsersRead;

impl MachineScope for UsersRead {
    const NAME: &'static str = rest::USERS_READ;
}

/// What the routes need.
#[derive(Debug, Clone)]
pub struct ApiState {
    /// The bridge's database.
    pub db: DatabaseConnection,
    /// Who may ask.
    pub auth: MachineAuth,
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

/// Everything that the bridge answers.
pub fn router(state: ApiState, sources: Sources) -> Routes {
    let health = http::process_routes(state.db.clone());
    let users = Routes::new()
        .route("/users", get(page))
        .route("/users/batch-get", post(batch_get))
        .route("/users/{user_id}", get(one))
        .with_state(state);
    http::with_defaults(users.merge(health), sources)
}

/// A user; 404 when deleted or never known.
async fn one(
    _caller: Machine<UsersRead>,
    State(db): State<DatabaseConnection>,
    user_id: Result<Path<Uuid>, PathRejection>,
) -> Result<Json<User>, Problem> {
    let Path(user_id) = user_id.map_err(|_rejection| bad_id())?;
    let found = complete(people::find(&db, vec![user_id]).await)?;
    let user = found.into_iter().next().ok_or_else(Problem::not_found)?;
    Ok(Json(user))
}

/// Many users at once; those it does not find are named, so that missing is not taken for failed.
async fn batch_get(
    _caller: Machine<UsersRead>,
    State(db): State<DatabaseConnection>,
    body: Result<Json<BatchGetUsers>, JsonRejection>,
) -> Result<Json<UsersBatch>, Problem> {
    let Json(BatchGetUsers { ids }) =
        body.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    if ids.len() > MAX_BATCH_GET {
        let detail = format!("At most {MAX_BATCH_GET} ids may be asked for at once.");
        return Err(Problem::bad_request(detail));
    }
    let users = complete(people::find(&db, ids.clone()).await)?;
    let mut met: HashSet<Uuid> = users.iter().map(|user| user.user_id).collect();
    let missing = ids.into_iter().filter(|id| met.insert(*id)).collect();
    Ok(Json(UsersBatch { users, missing }))
}

/// Where a page begins and how long it is.
#[derive(Debug, Deserialize)]
struct PageQuery {
    after: Option<Uuid>,
    limit: Option<u32>,
}

/// All living users in the order of their ids.
async fn page(
    _caller: Machine<UsersRead>,
    State(db): State<DatabaseConnection>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<UsersPage>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        let detail = format!("The limit must be between 1 and {MAX_PAGE}.");
        return Err(Problem::bad_request(detail));
    }
    let after = query.after.unwrap_or(Uuid::nil());
    // One more than asked for tells whether another page follows.
    let mut users = complete(people::page(&db, after, limit + 1).await)?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = users.len() > wanted;
    users.truncate(wanted);
    let next = users.last().map(|user| user.user_id).filter(|_| has_more);
    Ok(Json(UsersPage { users, next }))
}

fn bad_id() -> Problem {
    Problem::bad_request("The id of a user is a UUID.")
}

/// Nobody is called missing before all users were seen once.
fn complete(found: Result<Option<Vec<User>>, StoreError>) -> Result<Vec<User>, Problem> {
    match found {
        Ok(Some(users)) => Ok(users),
        Ok(None) => {
            tracing::info!("asked for users before all were read from Keycloak");
            Err(Problem::unavailable(RETRY_AFTER))
        }
        Err(StoreError::Database(error)) if ErrorKind::of(&error) == ErrorKind::Transient => {
            tracing::warn!(%error, "the database does not answer");
            Err(Problem::unavailable(RETRY_AFTER))
        }
        Err(error) => {
            tracing::error!(error = errors::explain(&error), "users cannot be read");
            Err(Problem::internal())
        }
    }
}
