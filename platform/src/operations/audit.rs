//! Who moved what on, when, and how it was before and after; rows are written once and never changed.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult};
use serde::Serialize;
use uuid::Uuid;

use crate::sql::{execute, statement};

/// The person who gives a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Keycloak's id.
    pub id: Uuid,
    /// The name they are known by now.
    pub name: String,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Parked messages were sent again.
    Retry,
    /// A parked message was sent again with another body.
    EditAndRetry,
    /// Parked messages were given up.
    Discard,
    /// Messages that the broker had refused went back into the outbox.
    RetryDead,
    /// Messages that the broker had refused were given up.
    DiscardDead,
    /// A full comparison with Keycloak was asked for.
    Compare,
    /// The deletions that a guard held back were accepted.
    AcceptDeletions,
}

impl Action {
    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::EditAndRetry => "edit_and_retry",
            Self::Discard => "discard",
            Self::RetryDead => "retry_dead",
            Self::DiscardDead => "discard_dead",
            Self::Compare => "compare",
            Self::AcceptDeletions => "accept_deletions",
        }
    }
}

/// A row to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAudit {
    /// What was done.
    pub action: Action,
    /// To what, in words.
    pub subject: String,
    /// The ids of all records it touched.
    pub records: Vec<String>,
    /// Why; empty where none is asked for.
    pub reason: String,
    /// How it was.
    pub before: serde_json::Value,
    /// How it is now.
    pub after: serde_json::Value,
}

/// Notes a command in its own transaction.
///
/// # Errors
/// Those of the database.
pub async fn record(
    txn: &DatabaseTransaction,
    id: Uuid,
    now: DateTime<Utc>,
    operator: &Operator,
    entry: NewAudit,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO operations_audit (id, at, actor, actor_name, action, subject, records, \
               reason, before, after) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let values = [
        id.into(),
        now.into(),
        operator.id.into(),
        operator.name.as_str().into(),
        entry.action.name().into(),
        entry.subject.into(),
        entry.records.into(),
        entry.reason.into(),
        entry.before.into(),
        entry.after.into(),
    ];
    execute(txn, sql, values).await.map(drop)
}

/// A command of the past.
#[derive(Debug, Clone, PartialEq, FromQueryResult, Serialize)]
pub struct AuditRow {
    /// Its id, a UUIDv7.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: Uuid,
    /// By which name they were known then.
    pub actor_name: String,
    /// The name of an [`Action`].
    pub action: String,
    /// To what, in words.
    pub subject: String,
    /// How many records it touched.
    pub records: i32,
    /// One of them.
    pub first_record: Option<String>,
    /// Why; empty where none is asked for.
    pub reason: String,
    /// How it was.
    pub before: serde_json::Value,
    /// How it was afterwards.
    pub after: serde_json::Value,
}

const COLUMNS: &str = "id, at, actor, actor_name, action, subject, cardinality(records) AS records, \
                       records[1] AS first_record, reason, before, after";

/// The newest commands, newest first, at most `limit`, older than the one with id `before`.
///
/// # Errors
/// Those of the database.
pub async fn page(
    db: &impl ConnectionTrait,
    before: Option<Uuid>,
    limit: u32,
) -> Result<Vec<AuditRow>, DbErr> {
    let sql =
        format!("SELECT {COLUMNS} FROM operations_audit WHERE id < $1 ORDER BY id DESC LIMIT $2");
    let values = [
        before.unwrap_or(Uuid::max()).into(),
        i64::from(limit).into(),
    ];
    AuditRow::find_by_statement(statement(&sql, values))
        .all(db)
        .await
}

/// One command.
///
/// # Errors
/// Those of the database.
pub async fn find(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<AuditRow>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM operations_audit WHERE id = $1");
    AuditRow::find_by_statement(statement(&sql, [id.into()]))
        .one(db)
        .await
}
