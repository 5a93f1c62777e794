//! Recomputes what is kept beside the transfers, to find out whether it still agrees with them.

use platform::sql::statement;
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::store::StoreError;

/// How the kept balances compare with the sums of all transfers.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Comparison {
    /// Employees with a balance or with transfers.
    pub accounts: i64,
    /// Those among them where the two differ.
    pub different: i64,
}

/// Adds up every transfer; it reads the whole ledger, so ask seldom.
pub async fn compare_balances(db: &impl ConnectionTrait) -> Result<Comparison, StoreError> {
    let sql = "\
        WITH fold AS ( \
            SELECT employee, count(*) AS version, \
                coalesce(sum(amount_cents) FILTER (WHERE credit_account = 'employee'), 0) AS credits, \
                coalesce(sum(amount_cents) FILTER (WHERE debit_account = 'employee'), 0) AS debits \
            FROM transfer GROUP BY employee \
        ) \
        SELECT count(*) AS accounts, count(*) FILTER ( \
            WHERE (credits, debits, fold.version) \
                IS DISTINCT FROM (credits_cents, debits_cents, kept.version)) AS different \
        FROM fold FULL JOIN employee_balance AS kept USING (employee)";
    let row = Comparison::find_by_statement(statement(sql, []))
        .one(db)
        .await?;
    Ok(row.unwrap_or(Comparison {
        accounts: 0,
        different: 0,
    }))
}
