//! The routes by which other services compare what they got with what this one sent.

use std::time::Duration;

use axum::{
    Json,
    extract::{FromRef, Query, State, rejection::QueryRejection},
    routing::get,
};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    messages::{MAX_HOURS, MAX_IDS, SentCounts, SentIds},
    rest,
};
use sea_orm::{DatabaseConnection, DbErr};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    hours::{Span, hour_of},
    sent::{self, Page},
};
use crate::{
    auth::{Machine, MachineAuth, MachineScope},
    db::ErrorKind,
    problem::Problem,
    routes::Routes,
    sql::storable,
};

/// How soon another try is worth it when the database is away.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The scope that both routes ask for.
#[derive(Debug)]
struct MessagesRead;

impl MachineScope for MessagesRead {
    const NAME: &'static str = rest::MESSAGES_READ;
}

#[derive(Debug, Clone)]
struct Api {
    db: DatabaseConnection,
    machines: MachineAuth,
}

impl FromRef<Api> for DatabaseConnection {
    fn from_ref(api: &Api) -> Self {
        api.db.clone()
    }
}

impl FromRef<Api> for MachineAuth {
    fn from_ref(api: &Api) -> Self {
        api.machines.clone()
    }
}

/// `/messages/sent` and `/messages/sent/ids`, the same for every service that publishes.
pub fn routes(db: DatabaseConnection, machines: MachineAuth) -> Routes {
    Routes::new()
        .route("/messages/sent", get(counts))
        .route("/messages/sent/ids", get(ids))
        .with_state(Api { db, machines })
}

#[derive(Debug, Deserialize)]
struct CountsQuery {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

async fn counts(
    _caller: Machine<MessagesRead>,
    State(db): State<DatabaseConnection>,
    query: Result<Query<CountsQuery>, QueryRejection>,
) -> Result<Json<SentCounts>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let span = Span {
        from: hour_of(query.from),
        until: query.until,
    };
    if span.until - span.from > TimeDelta::hours(MAX_HOURS) {
        let detail = format!("At most {MAX_HOURS} hours at once.");
        return Err(Problem::bad_request(detail));
    }
    let counts = sent::counts(&db, span)
        .await
        .map_err(|error| problem(&error))?;
    Ok(Json(SentCounts { counts }))
}

#[derive(Debug, Deserialize)]
struct IdsQuery {
    hour: DateTime<Utc>,
    routing_key: String,
    after: Option<Uuid>,
    limit: Option<u32>,
}

async fn ids(
    _caller: Machine<MessagesRead>,
    State(db): State<DatabaseConnection>,
    query: Result<Query<IdsQuery>, QueryRejection>,
) -> Result<Json<SentIds>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let routing_key = storable(&query.routing_key);
    let page = Page {
        hour: hour_of(query.hour),
        routing_key: &routing_key,
        after: query.after,
        limit: query.limit.unwrap_or(MAX_IDS).clamp(1, MAX_IDS),
    };
    let ids = sent::ids(&db, page)
        .await
        .map_err(|error| problem(&error))?;
    Ok(Json(ids))
}

fn problem(error: &DbErr) -> Problem {
    if ErrorKind::of(error) == ErrorKind::Transient {
        tracing::warn!(%error, "the database is away");
        Problem::unavailable(RETRY_AFTER)
    } else {
        tracing::error!(%error, "the sent messages cannot be read");
        Problem::internal()
    }
}
