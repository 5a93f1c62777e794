//! What the page of an account shows, straight from the rows.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use platform::sql::statement;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use crate::{
    domain::ledger::TransferKind,
    store::{StoreError, transfers},
};

/// One line of an audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The transfer.
    pub id: Uuid,
    /// Why money moved.
    pub kind: TransferKind,
    /// When it happened at its source.
    pub at: DateTime<Utc>,
    /// What it did to the balance, in minor units.
    pub change_cents: i64,
    /// The balance after it in the order of event time, in minor units.
    pub balance_cents: i64,
    /// Its own working day, where that was closed when it arrived.
    pub late_from_day: Option<NaiveDate>,
    /// The number and the title of its task, once they were fetched.
    pub task: Option<(i64, String)>,
}

#[derive(FromQueryResult)]
struct EntryRow {
    id: Uuid,
    kind: String,
    event_at: DateTime<Utc>,
    change_cents: i64,
    balance_cents: i64,
    late_from_day: Option<NaiveDate>,
    task_number: Option<i64>,
    task_title: Option<String>,
}

impl TryFrom<EntryRow> for Entry {
    type Error = StoreError;

    fn try_from(row: EntryRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            kind: transfers::kind_of(&row.kind)?,
            at: row.event_at,
            change_cents: row.change_cents,
            balance_cents: row.balance_cents,
            late_from_day: row.late_from_day,
            task: row.task_number.zip(row.task_title),
        })
    }
}

/// A place in an audit log: lines older than this one follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryCursor {
    /// The line's event time.
    pub at: DateTime<Utc>,
    /// The line's transfer.
    pub id: Uuid,
}

impl EntryCursor {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (micros, id) = text.split_once('.')?;
        let at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
        Some(Self {
            at,
            id: id.parse().ok()?,
        })
    }
}

impl fmt::Display for EntryCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.timestamp_micros(), self.id)
    }
}

/// Which lines of an audit log, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryRange {
    /// Not before this instant.
    pub from: DateTime<Utc>,
    /// Before this instant.
    pub until: DateTime<Utc>,
    /// Only lines older than this one.
    pub before: Option<EntryCursor>,
    /// At most so many.
    pub limit: usize,
}

#[derive(FromQueryResult)]
struct BalanceRow {
    balance_cents: i64,
}

#[derive(FromQueryResult)]
struct DayRow {
    day: NaiveDate,
}

/// What an employee's account is worth now, in minor units; zero without transfers.
pub async fn balance(db: &impl ConnectionTrait, employee: Uuid) -> Result<i64, StoreError> {
    let sql = "\
        SELECT credits_cents - debits_cents AS balance_cents \
        FROM employee_balance WHERE employee = $1";
    let row = BalanceRow::find_by_statement(statement(sql, [employee.into()]))
        .one(db)
        .await?;
    Ok(row.map_or(0, |row| row.balance_cents))
}

/// What an employee's account was worth before an instant, by event time, in minor units.
pub async fn balance_before(
    db: &impl ConnectionTrait,
    employee: Uuid,
    at: DateTime<Utc>,
) -> Result<i64, StoreError> {
    let sql = "\
        SELECT coalesce(sum(CASE debit_account WHEN 'employee' THEN -amount_cents ELSE amount_cents END), \
            0)::bigint AS balance_cents \
        FROM transfer WHERE employee = $1 AND event_at < $2";
    let values = [employee.into(), at.into()];
    let row = BalanceRow::find_by_statement(statement(sql, values))
        .one(db)
        .await?;
    Ok(row.map_or(0, |row| row.balance_cents))
}

/// The lines of an employee's audit log in a range, newest first.
///
/// The running balance is summed over the whole account at each read: stored with the line it would
/// be wrong as soon as an event arrives late.
pub async fn entries(
    db: &impl ConnectionTrait,
    employee: Uuid,
    range: EntryRange,
) -> Result<Vec<Entry>, StoreError> {
    let sql = "\
        WITH signed AS ( \
            SELECT *, CASE debit_account WHEN 'employee' THEN -amount_cents ELSE amount_cents END \
                AS change_cents \
            FROM transfer WHERE employee = $1 AND event_at < $3 \
        ), log AS ( \
            SELECT *, (sum(change_cents) OVER (ORDER BY event_at, id))::bigint AS balance_cents \
            FROM signed \
        ) \
        SELECT log.id, log.kind, log.event_at, log.change_cents, log.balance_cents, \
            log.late_from_day, task_cache.number AS task_number, \
            task_cache.title AS task_title \
        FROM log LEFT JOIN task_cache USING (task_uuid) \
        WHERE log.event_at >= $2 AND ($4::timestamptz IS NULL OR (log.event_at, log.id) < ($4, $5)) \
        ORDER BY log.event_at DESC, log.id DESC \
        LIMIT $6";
    let before_at = range.before.map(|cursor| cursor.at);
    let before_id = range.before.map(|cursor| cursor.id);
    let values = [
        employee.into(),
        range.from.into(),
        range.until.into(),
        before_at.into(),
        before_id.into(),
        i64::try_from(range.limit).unwrap_or(i64::MAX).into(),
    ];
    let rows = EntryRow::find_by_statement(statement(sql, values))
        .all(db)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The newest local dates of a zone (IANA name) on which an employee's account moved, newest first.
pub async fn days(
    db: &impl ConnectionTrait,
    employee: Uuid,
    zone: &str,
    limit: i64,
) -> Result<Vec<NaiveDate>, StoreError> {
    let sql = "\
        SELECT DISTINCT (event_at AT TIME ZONE $2)::date AS day \
        FROM transfer WHERE employee = $1 ORDER BY day DESC LIMIT $3";
    let values = [employee.into(), zone.into(), limit.into()];
    let rows = DayRow::find_by_statement(statement(sql, values))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| row.day).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_address() {
        let at = DateTime::from_timestamp_micros(-1_234_567).unwrap();
        let cursor = EntryCursor {
            at,
            id: Uuid::from_u128(7),
        };
        assert_eq!(EntryCursor::parse(&cursor.to_string()), Some(cursor));
        for text in ["", "1", "1.2", "x.00000000-0000-0000-0000-000000000007"] {
            assert_eq!(EntryCursor::parse(text), None, "{text}");
        }
    }
}
