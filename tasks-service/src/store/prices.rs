//! Prices as Finance published them (DESIGN.md section 6).

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::{
    StoreError,
    sql::{array, statement},
};

/// The price of a task, in minor units of `currency`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    pub task: Uuid,
    pub fee_cents: i64,
    pub reward_cents: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// The timestamp of the message that told it.
    pub guard: DateTime<Utc>,
}

/// Keeps prices; one that is older than what is kept changes nothing. No task may occur twice.
pub async fn keep(txn: &DatabaseTransaction, prices: &[Price]) -> Result<(), StoreError> {
    let sql = "INSERT INTO price_cache (task_id, fee_cents, reward_cents, currency, guard) \
         SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::timestamptz[]) \
         ON CONFLICT (task_id) DO UPDATE SET fee_cents = excluded.fee_cents, \
             reward_cents = excluded.reward_cents, currency = excluded.currency, \
             guard = excluded.guard \
         WHERE price_cache.guard <= excluded.guard";
    let values = [
        array(prices.iter().map(|price| Some(price.task))),
        array(prices.iter().map(|price| Some(price.fee_cents))),
        array(prices.iter().map(|price| Some(price.reward_cents))),
        array(prices.iter().map(|price| Some(price.currency.clone()))),
        array(prices.iter().map(|price| Some(price.guard))),
    ];
    txn.execute_raw(statement(sql, values)).await?;
    Ok(())
}
