//! The fold of every employee's transfers, kept in the transaction that adds them.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use uuid::Uuid;

use crate::{
    domain::money::Turnover,
    store::{StoreError, column, statement},
};

/// Adds to balances, and opens the account of an employee who had none.
pub async fn add(
    txn: &DatabaseTransaction,
    turnovers: &BTreeMap<Uuid, Turnover>,
) -> Result<(), StoreError> {
    if turnovers.is_empty() {
        return Ok(());
    }
    let sql = "\
        INSERT INTO employee_balance (employee, credits_cents, debits_cents, version) \
        SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) \
            AS moved (employee, credits, debits, transfers) \
        ORDER BY employee \
        ON CONFLICT (employee) DO UPDATE SET \
            credits_cents = employee_balance.credits_cents + excluded.credits_cents, \
            debits_cents = employee_balance.debits_cents + excluded.debits_cents, \
            version = employee_balance.version + excluded.version";
    let moved: Vec<(Uuid, Turnover)> = turnovers
        .iter()
        .map(|(employee, turnover)| (*employee, *turnover))
        .collect();
    let values = [
        column(&moved, |(employee, _)| *employee),
        column(&moved, |(_, turnover)| turnover.credits()),
        column(&moved, |(_, turnover)| turnover.debits()),
        column(&moved, |(_, turnover)| turnover.transfers()),
    ];
    txn.execute_raw(statement(sql, values)).await?;
    Ok(())
}
