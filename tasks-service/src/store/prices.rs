//! Prices as Finance published them (DESIGN.md section 6).

use chrono::{DateTime, Utc};
use platform::sql::execute;
use sea_orm::DatabaseTransaction;
use serde::Serialize;
use uuid::Uuid;

use super::{StoreError, rows};

/// The price of a task, in minor units of `currency`; a row of the table `price_cache`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Price {
    pub task_id: Uuid,
    pub fee_cents: i64,
    pub reward_cents: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// The timestamp of the message that told it.
    pub guard: DateTime<Utc>,
}

/// Keeps prices; one that is older than what is kept changes nothing. No task may occur twice.
pub async fn keep(txn: &DatabaseTransaction, prices: &[Price]) -> Result<(), StoreError> {
    let sql = "INSERT INTO price_cache \
         SELECT price.* FROM json_populate_recordset(NULL::price_cache, $1::json) AS price \
         ON CONFLICT (task_id) DO UPDATE SET fee_cents = excluded.fee_cents, \
             reward_cents = excluded.reward_cents, currency = excluded.currency, \
             guard = excluded.guard \
         WHERE price_cache.guard <= excluded.guard";
    execute(txn, sql, [rows(prices)?]).await?;
    Ok(())
}
