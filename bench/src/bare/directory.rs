//! A bare handler that reads one user by id from the bridge's table, and does nothing else.

use anyhow::{Context as _, Result};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use chrono::{DateTime, Utc};
use clap::Args;
use contracts::identity::User;
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::net::TcpListener;
use uuid::Uuid;

const SQL: &str = "\
    SELECT username, email, first_name, last_name, roles, is_enabled, changed_at \
    FROM auth_user WHERE user_id = $1 AND NOT is_deleted";

type Row = (
    String,
    Option<String>,
    String,
    String,
    Vec<String>,
    bool,
    DateTime<Utc>,
);

/// Where it listens and reads.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Address and port.
    #[arg(long)]
    listen: String,
    /// PostgreSQL URL of a database of the auth bridge.
    #[arg(long)]
    database: String,
}

/// Serves until it is killed.
pub(crate) async fn serve(options: Options) -> Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(super::CONNECTIONS)
        .connect(&options.database)
        .await?;
    let router = Router::new()
        .route("/users/{id}", get(show))
        .route("/ready", get(|| async { "ready" }))
        .with_state(pool);
    let listener = TcpListener::bind(&options.listen).await?;
    Ok(axum::serve(listener, router).await?)
}

async fn show(State(pool): State<PgPool>, Path(id): Path<Uuid>) -> Result<Json<User>, StatusCode> {
    let user = read(&pool, id).await;
    user.map(Json)
        .map_err(|_error| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn read(pool: &PgPool, user_id: Uuid) -> Result<User> {
    let row: Option<Row> = sqlx::query_as(SQL)
        .bind(user_id)
        .fetch_optional(pool)
        .await?;
    let (username, email, first_name, last_name, roles, enabled, changed_at) =
        row.context("there is no such user")?;
    Ok(User {
        user_id,
        username,
        email,
        first_name,
        last_name,
        roles,
        enabled,
        changed_at,
        as_of: changed_at,
    })
}
