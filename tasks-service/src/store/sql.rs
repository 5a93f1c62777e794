//! Small helpers for statements written by hand.

use sea_orm::{DbBackend, DbErr, Statement, Value};
use serde::Serialize;

/// A statement with its parameters `$1`, `$2`, ...
pub(super) fn statement(sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

/// Rows as one parameter for `json_populate_recordset`: arrays of sea-orm cannot hold nulls.
pub(super) fn rows<R: Serialize>(rows: &[R]) -> Result<Value, DbErr> {
    let json = serde_json::to_string(rows).map_err(|error| DbErr::Json(error.to_string()))?;
    Ok(json.into())
}
