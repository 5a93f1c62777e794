//! When the next full comparison is due, what it may delete, and how the last one ended.

use chrono::{DateTime, Utc};
use platform::mass_deletion::Alarm;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, Func, SimpleExpr},
};

use super::{StoreError, entity::sync_state};

/// A full comparison that an event or a person calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconcileRequest {
    /// When it should begin; what follows within the delay asks for the same one.
    pub due_at: DateTime<Utc>,
    /// What happened.
    pub reason: String,
    /// The time of the event that called for it.
    pub event_at: Option<DateTime<Utc>>,
}

/// Asks for a full comparison: the earliest time and the first reason count.
///
/// # Errors
/// Those of the database.
pub async fn request(
    db: &impl ConnectionTrait,
    request: ReconcileRequest,
) -> Result<(), StoreError> {
    let due_at = [
        Expr::col(sync_state::Column::ReconcileDueAt),
        Expr::value(request.due_at),
    ];
    let reason = [
        Expr::col(sync_state::Column::ReconcileReason),
        Expr::value(request.reason),
    ];
    let event_at = [
        Expr::col(sync_state::Column::ReconcileEventAt),
        Expr::value(request.event_at),
    ];
    sync_state::Entity::update_many()
        .col_expr(
            sync_state::Column::ReconcileDueAt,
            Func::least(due_at).into(),
        )
        .col_expr(
            sync_state::Column::ReconcileReason,
            Func::coalesce(reason).into(),
        )
        .col_expr(
            sync_state::Column::ReconcileEventAt,
            Func::greatest(event_at).into(),
        )
        .exec(db)
        .await?;
    Ok(())
}

/// Takes the request off when its comparison begins, so that what happens meanwhile asks anew.
/// Answers the time of the newest event that asked.
///
/// # Errors
/// Those of the database.
pub async fn take_request(txn: &DatabaseTransaction) -> Result<Option<DateTime<Utc>>, StoreError> {
    let event_at: Option<Option<DateTime<Utc>>> = sync_state::Entity::find()
        .select_only()
        .column(sync_state::Column::ReconcileEventAt)
        .into_tuple()
        .one(txn)
        .await?;
    sync_state::Entity::update_many()
        .col_expr(sync_state::Column::ReconcileDueAt, no_instant())
        .col_expr(sync_state::Column::ReconcileEventAt, no_instant())
        .col_expr(
            sync_state::Column::ReconcileReason,
            Expr::value(None::<String>),
        )
        .exec(txn)
        .await?;
    event_at.ok_or(StoreError::NotSetUp)
}

/// Lets the next comparison delete as many users as the alarm names; false when no alarm names `missing`.
///
/// # Errors
/// Those of the database.
pub async fn accept_deletions(txn: &DatabaseTransaction, missing: u64) -> Result<bool, StoreError> {
    let accepted = sync_state::Entity::update_many()
        .col_expr(
            sync_state::Column::AcceptedDeletions,
            Expr::value(stored(missing)),
        )
        .filter(sync_state::Column::AlarmMissing.eq(stored(missing)))
        .exec(txn)
        .await?;
    Ok(accepted.rows_affected > 0)
}

/// Notes the end of a full comparison, the alarm it raised or took back, and that what was accepted
/// for it is used up.
///
/// # Errors
/// Those of the database.
pub async fn end(
    txn: &DatabaseTransaction,
    at: DateTime<Utc>,
    accepted: u64,
    alarm: Option<Alarm>,
) -> Result<(), StoreError> {
    let number = |of: fn(Alarm) -> u64| Expr::value(alarm.map(|alarm| stored(of(alarm))));
    // From the first comparison on the copy is complete, and of some age, even when it needs another one.
    let as_of = [Expr::col(sync_state::Column::AsOf), Expr::value(at)];
    sync_state::Entity::update_many()
        .col_expr(sync_state::Column::ReconciledAt, Expr::value(at))
        .col_expr(sync_state::Column::AsOf, Func::coalesce(as_of).into())
        .col_expr(
            sync_state::Column::Alarm,
            Expr::value(alarm.map(|alarm| alarm.to_string())),
        )
        .col_expr(sync_state::Column::AlarmAt, Expr::value(alarm.map(|_| at)))
        .col_expr(sync_state::Column::AlarmMissing, number(|a| a.missing))
        .col_expr(sync_state::Column::AlarmKnown, number(|a| a.known))
        .col_expr(sync_state::Column::AlarmAllowed, number(|a| a.allowed))
        .exec(txn)
        .await?;
    // What was accepted after this comparison had looked is left to the next one.
    sync_state::Entity::update_many()
        .col_expr(
            sync_state::Column::AcceptedDeletions,
            Expr::value(None::<i64>),
        )
        .filter(sync_state::Column::AcceptedDeletions.eq(stored(accepted)))
        .exec(txn)
        .await?;
    Ok(())
}

fn no_instant() -> SimpleExpr {
    Expr::value(None::<DateTime<Utc>>)
}

/// PostgreSQL has no unsigned numbers; as many users as overflow it there are not.
fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
