//! Prices that Finance published.

use platform::consumer::HandlerError;
use sea_orm::DatabaseTransaction;

use crate::store::{self, StoreError};

pub use crate::store::prices::Price;

/// Keeps prices, at most one per task, for the board to show (DESIGN.md section 6).
pub async fn keep(txn: &DatabaseTransaction, prices: &[Price]) -> Result<(), HandlerError> {
    store::prices::keep(txn, prices)
        .await
        .map_err(|error| match error {
            StoreError::Database(cause) => cause.into(),
            StoreError::Corrupt { .. } => HandlerError::failed(error),
        })
}
