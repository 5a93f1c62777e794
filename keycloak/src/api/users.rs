//! Users by id, in batches, and page by page (DESIGN.md section 7).
//!
//! Answers come from the copy, so they are as quick as the database and go on while Keycloak is down;
//! `as_of` says how old they are.

use std::collections::HashSet;

use axum::{
    Json,
    extract::{
        Path, Query, State,
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
    auth::{Machine, MachineScope},
    problem::Problem,
    routes::Routes,
};
use sea_orm::DatabaseConnection;
use serde::Deserialize;
use uuid::Uuid;

use super::{ApiState, RETRY_AFTER, failed, unreadable};
use crate::store::{StoreError, people};

/// The users of one page unless the caller asks for another number, and the most.
const PAGE: u32 = 200;
const MAX_PAGE: u32 = 500;

/// The scope that all routes here ask for.
#[derive(Debug)]
struct UsersRead;

impl MachineScope for UsersRead {
    const NAME: &'static str = rest::USERS_READ;
}

pub(super) fn routes() -> Routes<ApiState> {
    Routes::new()
        .route("/users", get(page))
        .route("/users/batch-get", post(batch_get))
        .route("/users/{user_id}", get(one))
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
    let Json(BatchGetUsers { ids }) = body.map_err(|rejection| unreadable(&rejection))?;
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
    found.map_err(|error| failed(&error))?.ok_or_else(|| {
        tracing::info!("asked for users before all were read from Keycloak");
        Problem::unavailable(RETRY_AFTER)
    })
}
