//! The ledger: rows are added, never changed (DESIGN.md M4, M5).

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use platform::sql::statement;
use sea_orm::{DatabaseTransaction, FromQueryResult};
use uuid::Uuid;

use crate::{
    domain::{
        account::Account,
        ledger::{Completion, Posting, TransferKind},
    },
    store::{StoreError, column},
};

/// A transfer to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewTransfer {
    /// Its id; ids grow in the order of arrival.
    pub id: Uuid,
    /// What it moves.
    pub posting: Posting,
    /// The working day whose closing settles it.
    pub business_day: NaiveDate,
}

#[derive(FromQueryResult)]
struct InsertedRow {
    id: Uuid,
}

#[derive(FromQueryResult)]
struct CompletionRow {
    task_uuid: Uuid,
    employee: Uuid,
    event_at: DateTime<Utc>,
}

/// The name of a kind in the table.
const fn kind_name(kind: TransferKind) -> &'static str {
    match kind {
        TransferKind::Fee => "fee",
        TransferKind::Reward => "reward",
    }
}

/// The kind that a name in the table stands for.
pub(super) fn kind_of(name: &str) -> Result<TransferKind, StoreError> {
    let mut kinds = [TransferKind::Fee, TransferKind::Reward].into_iter();
    kinds
        .find(|kind| kind_name(*kind) == name)
        .ok_or_else(|| StoreError::Corrupt {
            table: "transfer",
            reason: format!("the kind {name} is unknown"),
        })
}

/// The name of an account in the table; whose it is stands in the column `employee`.
const fn account_name(account: Account) -> &'static str {
    match account {
        Account::Employee(_) => "employee",
        Account::Company => "company",
    }
}

/// Adds transfers to the ledger and what they move to the balances, in one statement.
///
/// Those whose business fact is in the ledger already or comes twice in `transfers` are left out; an
/// employee who had no account gets one. Yields the ids of the added ones.
pub async fn book(
    txn: &DatabaseTransaction,
    transfers: &[NewTransfer],
    recorded_at: DateTime<Utc>,
) -> Result<HashSet<Uuid>, StoreError> {
    if transfers.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = "\
        WITH added AS ( \
            INSERT INTO transfer (id, kind, debit_account, credit_account, amount_cents, task_uuid, \
                employee, event_at, business_day, recorded_at) \
            SELECT new.*, $10 \
            FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::uuid[], \
                $7::uuid[], $8::timestamptz[], $9::date[]) \
                AS new (id, kind, debit, credit, amount, task, employee, at, day) \
            ORDER BY new.task, new.kind, new.employee, new.at, new.id \
            ON CONFLICT DO NOTHING \
            RETURNING id, debit_account, credit_account, amount_cents, employee), \
        balances AS ( \
            INSERT INTO employee_balance AS kept (employee, credits_cents, debits_cents, version) \
            SELECT employee, \
                coalesce(sum(amount_cents) FILTER (WHERE credit_account = 'employee'), 0), \
                coalesce(sum(amount_cents) FILTER (WHERE debit_account = 'employee'), 0), \
                count(*) \
            FROM added GROUP BY employee ORDER BY employee \
            ON CONFLICT (employee) DO UPDATE SET \
                credits_cents = kept.credits_cents + excluded.credits_cents, \
                debits_cents = kept.debits_cents + excluded.debits_cents, \
                version = kept.version + excluded.version) \
        SELECT id FROM added";
    let values = [
        column(transfers, |new| new.id),
        column(transfers, |new| kind_name(new.posting.kind).to_owned()),
        column(transfers, |new| {
            account_name(new.posting.debit()).to_owned()
        }),
        column(transfers, |new| {
            account_name(new.posting.credit()).to_owned()
        }),
        column(transfers, |new| new.posting.amount.cents()),
        column(transfers, |new| new.posting.task),
        column(transfers, |new| new.posting.employee),
        column(transfers, |new| new.posting.at),
        column(transfers, |new| new.business_day),
        recorded_at.into(),
    ];
    let rows = InsertedRow::find_by_statement(statement(sql, values))
        .all(txn)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The completions that rewards were booked for, by task.
pub async fn completions(
    txn: &DatabaseTransaction,
    tasks: Vec<Uuid>,
) -> Result<HashMap<Uuid, Completion>, StoreError> {
    if tasks.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "\
        SELECT task_uuid, employee, event_at FROM transfer \
        WHERE kind = 'reward' AND task_uuid = ANY($1)";
    let rows = CompletionRow::find_by_statement(statement(sql, [tasks.into()]))
        .all(txn)
        .await?;
    let completion = |row: CompletionRow| {
        (
            row.task_uuid,
            Completion {
                performer: row.employee,
                at: row.event_at,
            },
        )
    };
    Ok(rows.into_iter().map(completion).collect())
}
