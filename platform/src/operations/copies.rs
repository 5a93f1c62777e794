//! The local copies of other services' data: how large they are and how far behind (DESIGN.md section 6).

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use serde::Serialize;

use crate::sql::statement;

/// Up to so many rows are counted; above, PostgreSQL's own estimate is shown.
const COUNTED: i64 = 50_000;

/// A copy that a service keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalCopy {
    /// What it holds, for people: `Users`.
    pub name: &'static str,
    /// The table.
    pub table: &'static str,
    /// The kind of its owed fetches; none for a copy that messages bring whole.
    pub fetch_kind: Option<&'static str>,
}

/// How a copy is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopyState {
    /// What it holds.
    pub name: &'static str,
    /// Its rows.
    pub rows: i64,
    /// Whether that is an estimate.
    pub is_estimate: bool,
    /// Records that are still to be fetched.
    pub owed: i64,
    /// When the oldest of these was asked for.
    pub oldest_owed: Option<DateTime<Utc>>,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    counted: i64,
    estimated: i64,
    owed: i64,
    oldest_owed: Option<DateTime<Utc>>,
}

/// How all `copies` are.
///
/// # Errors
/// Those of the database.
pub async fn states(
    db: &impl ConnectionTrait,
    copies: &[LocalCopy],
) -> Result<Vec<CopyState>, DbErr> {
    let mut states = Vec::with_capacity(copies.len());
    for copy in copies {
        let table = copy.table;
        let sql = format!(
            "SELECT (SELECT count(*) FROM (SELECT FROM {table} LIMIT $2) t) AS counted, \
             (SELECT reltuples::bigint FROM pg_class WHERE oid = '{table}'::regclass) AS estimated, \
             count(*) AS owed, min(noted_at) AS oldest_owed FROM fetch_pending WHERE kind = $1"
        );
        let values = [
            copy.fetch_kind.unwrap_or_default().into(),
            (COUNTED + 1).into(),
        ];
        let row = Row::find_by_statement(statement(&sql, values))
            .one(db)
            .await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound(table.to_owned()))?;
        let is_estimate = row.counted > COUNTED;
        states.push(CopyState {
            name: copy.name,
            rows: if is_estimate {
                row.estimated.max(row.counted)
            } else {
                row.counted
            },
            is_estimate,
            owed: row.owed,
            oldest_owed: row.oldest_owed,
        });
    }
    Ok(states)
}
