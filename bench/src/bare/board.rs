//! A bare handler that writes a new task with all its rows by one statement, and does nothing else.

use std::sync::Arc;

use anyhow::Result;
use axum::{
    Form, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use chrono::TimeDelta;
use clap::Args;
use contracts::tasks::{TaskAssigned, TaskChanged};
use platform::sources::Sources;
use serde::Deserialize;
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::net::TcpListener;
use uuid::Uuid;

/// The rows that tasks-service writes for a new task: task, texts, two of history, two of the outbox.
const SQL: &str = "\
    WITH filed AS ( \
        INSERT INTO task (id, author_id, state, performer_id, assigned_at, created_at, last_event_at) \
        VALUES ($1, $2, 'open', $2, $4, $3, $4)), \
    texts AS ( \
        INSERT INTO task_text (task_id, title, description, reference) VALUES ($1, $5, $6, $7)), \
    history AS ( \
        INSERT INTO task_history (task_id, at, kind, actor_id, performer_id, cause, candidates) \
        VALUES ($1, $3, 'filed', $2, NULL, NULL, NULL), ($1, $4, 'assigned', NULL, $2, 'filed', 1)) \
    INSERT INTO outbox (message_id, exchange, routing_key, entity_id, schema_version, occurred_at, body) \
    VALUES ($8, 'tasks', 'tasks.task.changed', $1, 1, $3, $10), \
        ($9, 'tasks', 'tasks.task.assigned', $1, 1, $4, $11)";

/// Where it listens and writes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Address and port.
    #[arg(long)]
    listen: String,
    /// PostgreSQL URL of a database of the task board.
    #[arg(long)]
    database: String,
}

#[derive(Debug)]
struct Board {
    pool: PgPool,
    sources: Sources,
    person: Uuid,
}

/// The fields that count of the form of a new task.
#[derive(Debug, Deserialize)]
struct NewTask {
    task: Uuid,
    title: String,
    description: String,
    reference: String,
}

/// Serves until it is killed.
pub(crate) async fn serve(options: Options) -> Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(super::CONNECTIONS)
        .connect(&options.database)
        .await?;
    let sources = Sources::system();
    let person = sources.new_id();
    let board = Board {
        pool,
        sources,
        person,
    };
    let router = Router::new()
        .route("/tasks", post(create))
        .route("/ready", get(|| async { "ready" }))
        .with_state(Arc::new(board));
    let listener = TcpListener::bind(&options.listen).await?;
    Ok(axum::serve(listener, router).await?)
}

async fn create(State(board): State<Arc<Board>>, Form(new): Form<NewTask>) -> StatusCode {
    match write(&board, &new).await {
        Ok(()) => StatusCode::SEE_OTHER,
        Err(_error) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn write(board: &Board, new: &NewTask) -> Result<()> {
    let filed_at = board.sources.now();
    let assigned_at = filed_at + TimeDelta::microseconds(1);
    let changed = TaskChanged {
        task_uuid: new.task,
        timestamp: filed_at,
    };
    let assigned = TaskAssigned {
        task_uuid: new.task,
        assigned_to: board.person,
        timestamp: assigned_at,
    };
    sqlx::query(SQL)
        .bind(new.task)
        .bind(board.person)
        .bind(filed_at)
        .bind(assigned_at)
        .bind(&new.title)
        .bind(&new.description)
        .bind(&new.reference)
        .bind(board.sources.new_id())
        .bind(board.sources.new_id())
        .bind(serde_json::to_string(&changed)?)
        .bind(serde_json::to_string(&assigned)?)
        .execute(&board.pool)
        .await?;
    Ok(())
}
