//! Rows of the tasks database and what they mean in the domain; no row leaves this folder.

pub mod board;
pub mod entity;
pub mod export;
pub mod history;
pub mod page;
pub mod people;
pub mod performers;
pub mod prices;
pub mod tasks;

use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait, Value};
use serde::Serialize;

/// Why the store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or could not be reached.
    #[error("the database could not do it")]
    Database(#[from] DbErr),
    /// A row says what the domain rules out: the database was changed by other hands.
    #[error("the row of task {task} is corrupt: {fault}")]
    Corrupt {
        task: uuid::Uuid,
        fault: &'static str,
    },
}

/// What a reaction inside another's transaction returns; the platform decides what its errors mean.
pub type DatabaseResult = Result<(), DbErr>;

/// Rows as one parameter for `json_populate_recordset`: arrays of sea-orm cannot hold nulls.
fn rows<R: Serialize>(rows: &[R]) -> Result<Value, DbErr> {
    let json = serde_json::to_string(rows).map_err(|error| DbErr::Json(error.to_string()))?;
    Ok(json.into())
}

/// Begins a transaction; dropping it undoes what it did.
pub async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, StoreError> {
    Ok(db.begin().await?)
}

/// Makes a transaction last.
pub async fn commit(txn: DatabaseTransaction) -> Result<(), StoreError> {
    Ok(txn.commit().await?)
}
