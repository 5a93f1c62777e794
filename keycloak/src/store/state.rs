//! How far the copy is, and which replica may move it on.

use chrono::{DateTime, Utc};
use platform::mass_deletion::Alarm;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, EntityTrait, ExprTrait,
    QueryFilter, TransactionTrait,
    sea_query::{Expr, Func},
};

use super::{StoreError, entity::sync_state};

/// The two event stores of a realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventStore {
    /// What was done through the console and the admin REST interface.
    Admin,
    /// What people did.
    User,
}

/// The one who may write: the leading replica since it took the lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term(i64);

/// How far the copy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncState {
    /// The time of the newest admin event read, by Keycloak's clock.
    pub admin_events_at: Option<DateTime<Utc>>,
    /// The time of the newest user event read.
    pub user_events_at: Option<DateTime<Utc>>,
    /// Since when the copy is known to match Keycloak.
    pub as_of: Option<DateTime<Utc>>,
    /// When the last full comparison ended.
    pub reconciled_at: Option<DateTime<Utc>>,
    /// When the next one is due by request.
    pub reconcile_due_at: Option<DateTime<Utc>>,
    /// The first reason that asked for it.
    pub reconcile_reason: Option<String>,
    /// The time of the newest event that asked for it.
    pub reconcile_event_at: Option<DateTime<Utc>>,
    /// How many users the next one may delete in spite of an alarm; zero as a rule.
    pub accepted_deletions: u64,
    /// Why the last full comparison deleted nobody although users were missing.
    pub alarm: Option<RaisedAlarm>,
    /// Why users are not watched at the moment.
    pub fault: Option<Fault>,
}

/// An alarm that stands until a full comparison ends without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaisedAlarm {
    /// What it says.
    pub alarm: Alarm,
    /// When it was raised.
    pub at: DateTime<Utc>,
}

/// What keeps the bridge from watching users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Since when.
    pub since: DateTime<Utc>,
    /// What is wrong, in words.
    pub reason: String,
}

/// Takes the lead: from here on no earlier term can write.
///
/// # Errors
/// [`StoreError::NotSetUp`], and those of the database.
pub async fn begin_term(db: &impl ConnectionTrait) -> Result<Term, StoreError> {
    let rows = sync_state::Entity::update_many()
        .col_expr(
            sync_state::Column::Term,
            Expr::col(sync_state::Column::Term).add(1),
        )
        .exec_with_returning(db)
        .await?;
    let row = rows.first().ok_or(StoreError::NotSetUp)?;
    Ok(Term(row.term))
}

/// Reads how far the copy is.
///
/// # Errors
/// [`StoreError::NotSetUp`], and those of the database.
pub async fn load(db: &impl ConnectionTrait) -> Result<SyncState, StoreError> {
    let row = sync_state::Entity::find()
        .one(db)
        .await?
        .ok_or(StoreError::NotSetUp)?;
    Ok(SyncState {
        admin_events_at: row.admin_events_at,
        user_events_at: row.user_events_at,
        as_of: row.as_of,
        reconciled_at: row.reconciled_at,
        reconcile_due_at: row.reconcile_due_at,
        accepted_deletions: count(row.accepted_deletions).unwrap_or(0),
        alarm: row.raised_alarm(),
        fault: row
            .fault_since
            .zip(row.fault)
            .map(|(since, reason)| Fault { since, reason }),
        reconcile_reason: row.reconcile_reason,
        reconcile_event_at: row.reconcile_event_at,
    })
}

/// Begins a transaction that only the holder of `term` can begin; it holds the state until it ends.
///
/// # Errors
/// [`StoreError::LostLead`] when a later term has begun, and those of the database.
pub async fn begin(db: &DatabaseConnection, term: Term) -> Result<DatabaseTransaction, StoreError> {
    let txn = db.begin().await?;
    let held = sync_state::Entity::update_many()
        .col_expr(sync_state::Column::Term, Expr::value(term.0))
        .filter(sync_state::Column::Term.eq(term.0))
        .exec(&txn)
        .await?;
    match held.rows_affected {
        0 => Err(StoreError::LostLead),
        _ => Ok(txn),
    }
}

/// Makes everything in the transaction happen at once.
///
/// # Errors
/// Those of the database.
pub async fn commit(txn: DatabaseTransaction) -> Result<(), StoreError> {
    Ok(txn.commit().await?)
}

/// Moves the place in an event store forward to `at`, never back.
///
/// # Errors
/// Those of the database.
pub async fn advance(
    txn: &DatabaseTransaction,
    store: EventStore,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let column = match store {
        EventStore::Admin => sync_state::Column::AdminEventsAt,
        EventStore::User => sync_state::Column::UserEventsAt,
    };
    sync_state::Entity::update_many()
        .col_expr(
            column,
            Func::greatest([Expr::col(column), Expr::value(at)]).into(),
        )
        .exec(txn)
        .await?;
    Ok(())
}

/// Notes since when the copy matches. While a full comparison is called for, or users that are missing
/// were not deleted, it is known not to match.
///
/// # Errors
/// Those of the database.
pub async fn set_as_of(txn: &DatabaseTransaction, at: DateTime<Utc>) -> Result<(), StoreError> {
    sync_state::Entity::update_many()
        .col_expr(sync_state::Column::AsOf, Expr::value(at))
        .filter(sync_state::Column::ReconcileDueAt.is_null())
        .filter(sync_state::Column::AlarmAt.is_null())
        .exec(txn)
        .await?;
    Ok(())
}

/// Notes why users are not watched from `at` on, unless it was so already.
///
/// # Errors
/// Those of the database.
pub async fn set_fault(
    db: &impl ConnectionTrait,
    at: DateTime<Utc>,
    reason: &str,
) -> Result<(), StoreError> {
    let since = [Expr::col(sync_state::Column::FaultSince), Expr::value(at)];
    sync_state::Entity::update_many()
        .col_expr(sync_state::Column::FaultSince, Func::coalesce(since).into())
        .col_expr(sync_state::Column::Fault, Expr::value(reason))
        .exec(db)
        .await?;
    Ok(())
}

/// Notes that users are watched.
///
/// # Errors
/// Those of the database.
pub async fn clear_fault(db: &impl ConnectionTrait) -> Result<(), StoreError> {
    sync_state::Entity::update_many()
        .col_expr(
            sync_state::Column::FaultSince,
            Expr::value(None::<DateTime<Utc>>),
        )
        .col_expr(sync_state::Column::Fault, Expr::value(None::<String>))
        .filter(sync_state::Column::FaultSince.is_not_null())
        .exec(db)
        .await?;
    Ok(())
}

/// PostgreSQL has no unsigned numbers.
fn count(stored: Option<i64>) -> Option<u64> {
    stored.and_then(|count| u64::try_from(count).ok())
}

impl sync_state::Model {
    fn raised_alarm(&self) -> Option<RaisedAlarm> {
        Some(RaisedAlarm {
            alarm: Alarm {
                missing: count(self.alarm_missing)?,
                known: count(self.alarm_known)?,
                allowed: count(self.alarm_allowed)?,
            },
            at: self.alarm_at?,
        })
    }
}
