//! Statements written by hand, for what an ORM does not say: arrays of rows, locks, and conditions within them.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

/// A statement with its parameters `$1`, `$2`, ...
pub fn statement(sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

/// Runs a statement and answers how many rows it touched.
///
/// # Errors
/// Those of the database.
pub async fn execute(
    db: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<u64, DbErr> {
    let result = db.execute_raw(statement(sql, values)).await?;
    Ok(result.rows_affected())
}

/// PostgreSQL stores no NUL in text, and a message that cannot be written down would block its queue.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
