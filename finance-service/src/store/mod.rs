//! Rows of Finance's database, and the only place that speaks SQL.
//!
//! Statements that a batch of messages runs take arrays (`unnest`), so a batch costs as many round
//! trips as one message. Each inserts or locks its rows in the order of their keys and all
//! transactions touch the tables in the same order, so replicas wait for each other but never in a
//! circle.

use platform::db::ErrorKind;
use sea_orm::{DbErr, Value};
use thiserror::Error;

pub mod audit;
pub mod prices;
pub mod statements;
pub mod tasks;
pub mod transfers;

/// Why rows could not be read or written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database refused or is away.
    #[error("the finance database failed")]
    Database(#[from] DbErr),
    /// A row breaks a rule that the database itself should have kept.
    #[error("a row of {table} cannot be understood: {reason}")]
    Corrupt {
        /// Where it was read.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl StoreError {
    /// Whether the same work may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Database(cause) if ErrorKind::of(cause) == ErrorKind::Transient)
    }
}

/// What the platform wants to hear from those who work in its transactions.
pub type DatabaseResult<T = ()> = Result<T, DbErr>;

/// One column of a batch of rows, for `unnest`.
fn column<R, T>(rows: &[R], of: impl FnMut(&R) -> T) -> Value
where
    Vec<T>: Into<Value>,
{
    rows.iter().map(of).collect::<Vec<T>>().into()
}
