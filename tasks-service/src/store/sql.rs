//! Small helpers for statements written by hand.

use sea_orm::{
    DbBackend, Statement, Value,
    sea_query::{Nullable, ValueType},
};

/// A statement with its parameters `$1`, `$2`, ...
pub(super) fn statement(sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

/// An array parameter for `UNNEST`, with nulls where an item is absent.
pub(super) fn array<T>(items: impl IntoIterator<Item = Option<T>>) -> Value
where
    T: ValueType + Nullable + Into<Value>,
{
    let values = items.into_iter().map(Into::into).collect();
    Value::Array(T::array_type(), Some(Box::new(values)))
}
