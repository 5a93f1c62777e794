//! Prices as Finance published them (DESIGN.md section 6).

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde::Serialize;
use uuid::Uuid;

use super::{
    StoreError,
    sql::{self, statement},
};

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
    txn.execute_raw(statement(sql, [sql::rows(prices)?]))
        .await?;
    Ok(())
}
