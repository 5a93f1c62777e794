//! What always holds in the books of finance, whatever happened.

use anyhow::{Result, ensure};
use sqlx::PgPool;

/// Every balance is the sum of its transfers, every version their number, every amount the task's price.
///
/// # Errors
/// What does not hold.
pub(crate) async fn check(finance: &PgPool) -> Result<()> {
    let differing = "
        WITH fold AS (
            SELECT employee, count(*) AS version,
                   coalesce(sum(amount_cents) FILTER (WHERE credit_account = 'employee'), 0) AS credits,
                   coalesce(sum(amount_cents) FILTER (WHERE debit_account = 'employee'), 0) AS debits
            FROM transfer GROUP BY employee)
        SELECT count(*) FROM fold FULL JOIN employee_balance b USING (employee)
        WHERE (fold.credits, fold.debits, fold.version)
              IS DISTINCT FROM (b.credits_cents::numeric, b.debits_cents::numeric, b.version)";
    let differing: i64 = sqlx::query_scalar(differing).fetch_one(finance).await?;
    ensure!(
        differing == 0,
        "{differing} balances are not the sum of their transfers"
    );
    let mispriced = "
        SELECT count(*) FROM transfer t LEFT JOIN task_price p USING (task_uuid)
        WHERE t.kind IN ('fee', 'reward')
          AND t.amount_cents IS DISTINCT FROM CASE t.kind WHEN 'fee' THEN p.fee_cents ELSE p.reward_cents END";
    let mispriced: i64 = sqlx::query_scalar(mispriced).fetch_one(finance).await?;
    ensure!(
        mispriced == 0,
        "{mispriced} transfers are not at their task's price"
    );
    Ok(())
}
