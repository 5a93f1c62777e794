//! Messages that the broker refused too often: looked at, sent again, or discarded.

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, FromQueryResult,
    TransactionTrait, Value,
};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::audit::{self, Action, NewAudit, Operator};
use crate::{
    parked::ResolveError,
    sources::Sources,
    sql::{execute, statement},
};

/// The most messages that are listed, or moved by one command.
const MOST: i64 = 100;

const COLUMNS: &str = "position, message_id, exchange, routing_key, entity_id, body, \
                       attempts::integer AS attempts, last_error, died_at";

/// A message of `outbox_dead`.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult, Serialize)]
pub struct DeadRow {
    /// Its place in the outbox, by which it is named.
    pub position: i64,
    /// Its id.
    pub message_id: Uuid,
    /// The exchange that did not take it.
    pub exchange: String,
    /// The key it was to be published under.
    pub routing_key: String,
    /// The record it tells of.
    pub entity_id: Uuid,
    /// The JSON of its body.
    pub body: String,
    /// How often it was tried.
    pub attempts: i32,
    /// What the broker said last.
    pub last_error: String,
    /// When it was given up.
    pub died_at: DateTime<Utc>,
}

/// Which messages a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadSelection {
    /// The one at this position.
    One(i64),
    /// The oldest ones, as many as are listed.
    All,
}

/// The oldest messages that the broker refused too often.
///
/// # Errors
/// Those of the database.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<DeadRow>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM outbox_dead ORDER BY position LIMIT $1");
    DeadRow::find_by_statement(statement(&sql, [MOST.into()]))
        .all(db)
        .await
}

/// One of them.
///
/// # Errors
/// Those of the database.
pub async fn find(db: &impl ConnectionTrait, position: i64) -> Result<Option<DeadRow>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM outbox_dead WHERE position = $1");
    DeadRow::find_by_statement(statement(&sql, [position.into()]))
        .one(db)
        .await
}

/// Puts messages back into the outbox, to be tried as if they were new.
///
/// # Errors
/// [`ResolveError`]; then nothing was changed.
pub async fn retry(
    db: &DatabaseConnection,
    sources: &Sources,
    operator: &Operator,
    selection: DeadSelection,
) -> Result<usize, ResolveError> {
    let txn = db.begin().await?;
    let rows = lock(&txn, selection).await?;
    let sql = "INSERT INTO outbox (message_id, exchange, routing_key, entity_id, schema_version, \
               occurred_at, traceparent, body, headers) SELECT message_id, exchange, routing_key, \
               entity_id, schema_version, occurred_at, traceparent, body, headers FROM outbox_dead \
               WHERE position = ANY($1) ORDER BY position";
    execute(&txn, sql, [positions(&rows)]).await?;
    remove(txn, sources, operator, Command::Retry, rows).await
}

/// Gives messages up for good; the audit keeps them whole.
///
/// # Errors
/// [`ResolveError`]; then nothing was changed.
pub async fn discard(
    db: &DatabaseConnection,
    sources: &Sources,
    operator: &Operator,
    selection: DeadSelection,
    reason: &str,
) -> Result<usize, ResolveError> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(ResolveError::NoReason);
    }
    let txn = db.begin().await?;
    let rows = lock(&txn, selection).await?;
    remove(txn, sources, operator, Command::Discard(reason), rows).await
}

enum Command<'a> {
    Retry,
    Discard(&'a str),
}

async fn lock(
    txn: &DatabaseTransaction,
    selection: DeadSelection,
) -> Result<Vec<DeadRow>, ResolveError> {
    let (condition, position) = match selection {
        DeadSelection::One(position) => ("position = $1", position),
        DeadSelection::All => ("position > $1", i64::MIN),
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox_dead WHERE {condition} ORDER BY position LIMIT $2 FOR UPDATE"
    );
    let values = [position.into(), MOST.into()];
    let rows = DeadRow::find_by_statement(statement(&sql, values))
        .all(txn)
        .await?;
    if rows.is_empty() {
        return Err(ResolveError::Gone);
    }
    Ok(rows)
}

async fn remove(
    txn: DatabaseTransaction,
    sources: &Sources,
    operator: &Operator,
    command: Command<'_>,
    rows: Vec<DeadRow>,
) -> Result<usize, ResolveError> {
    let sql = "DELETE FROM outbox_dead WHERE position = ANY($1)";
    execute(&txn, sql, [positions(&rows)]).await?;
    let (action, reason, after) = match command {
        Command::Retry => (Action::RetryDead, "", json!({ "state": "in the outbox" })),
        Command::Discard(reason) => (Action::DiscardDead, reason, json!({ "state": "discarded" })),
    };
    let messages = rows.len();
    tracing::info!(user.id = %operator.id, action = action.name(), messages, "refused messages are resolved");
    let entry = NewAudit {
        action,
        subject: "messages that the broker refused".to_owned(),
        records: rows.iter().map(|row| row.message_id.to_string()).collect(),
        reason: reason.to_owned(),
        before: json!({ "state": "refused", "messages": rows }),
        after,
    };
    audit::record(&txn, sources.new_id(), sources.now(), operator, entry).await?;
    txn.commit().await?;
    Ok(messages)
}

fn positions(rows: &[DeadRow]) -> Value {
    rows.iter()
        .map(|row| row.position)
        .collect::<Vec<i64>>()
        .into()
}
