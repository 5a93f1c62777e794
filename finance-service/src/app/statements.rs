//! What a person may read of an account: the balance and the reason for every cent.

use chrono::NaiveDate;
use chrono_tz::Tz;
use sea_orm::{AccessMode, DatabaseConnection, IsolationLevel, TransactionTrait};
use thiserror::Error;
use uuid::Uuid;

use crate::{
    domain::calendar::{Calendar, CalendarError},
    store::{
        StoreError,
        statements::{self, EntryRange},
    },
};

pub use crate::store::statements::{Entry, EntryCursor};

/// Lines on one page of an audit log.
const PAGE: usize = 100;

/// Days offered for choice.
const DAYS: i64 = 60;

/// Why a statement could not be made.
#[derive(Debug, Error)]
pub enum StatementError {
    /// The ledger could not be read.
    #[error("the ledger is not available")]
    Store(#[from] StoreError),
    /// The asked-for date is at the end of time.
    #[error("the day has no place in the calendar")]
    Calendar(#[from] CalendarError),
}

impl StatementError {
    /// Whether the same question may be answered later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Store(cause) if cause.is_transient())
    }
}

/// Which part of an account is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementQuery {
    /// Whose account.
    pub employee: Uuid,
    /// Which local date.
    pub day: NaiveDate,
    /// The last line of the page before, when it is not the first.
    pub before: Option<EntryCursor>,
}

/// One day of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What the account is worth now, in minor units.
    pub balance_cents: i64,
    /// What it was worth when the day began, in minor units.
    pub opening_cents: i64,
    /// The newest days with entries, newest first.
    pub days: Vec<NaiveDate>,
    /// The day's entries, newest first.
    pub entries: Vec<Entry>,
    /// Where the next page begins, when there is one.
    pub next: Option<EntryCursor>,
}

/// Reads one day of an account as of one moment, so that the balance and the lines agree.
///
/// # Errors
/// When the database cannot be read, or the day is out of range.
pub async fn read(
    db: &DatabaseConnection,
    calendar: &Calendar<Tz>,
    query: StatementQuery,
) -> Result<Statement, StatementError> {
    let (from, until) = (calendar.start(query.day)?, calendar.cut(query.day)?);
    let snapshot = db
        .begin_with_config(
            Some(IsolationLevel::RepeatableRead),
            Some(AccessMode::ReadOnly),
        )
        .await
        .map_err(StoreError::from)?;
    let range = EntryRange {
        from,
        until,
        before: query.before,
        limit: PAGE.saturating_add(1),
    };
    let mut entries = statements::entries(&snapshot, query.employee, range).await?;
    let has_more = entries.len() > PAGE;
    entries.truncate(PAGE);
    let last = entries.last().filter(|_| has_more);
    let next = last.map(|entry| EntryCursor {
        at: entry.at,
        id: entry.id,
    });
    Ok(Statement {
        balance_cents: statements::balance(&snapshot, query.employee).await?,
        opening_cents: statements::balance_before(&snapshot, query.employee, from).await?,
        days: statements::days(&snapshot, query.employee, calendar.zone().name(), DAYS).await?,
        entries,
        next,
    })
}
