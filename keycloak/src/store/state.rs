//! How far the copy is, and which replica may move it on.

use chrono::{DateTime, Utc};
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
    /// Why the last full comparison deleted nobody although users were missing.
    pub alarm: Option<String>,
}

/// A full comparison that an event calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconcileRequest {
    /// When it should begin; events that follow within the delay ask for the same one.
    pub due_at: DateTime<Utc>,
    /// What happened.
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
        reconcile_reason: row.reconcile_reason,
        alarm: row.alarm,
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

/// Notes since when the copy matches.
///
/// # Errors
/// Those of the database.
pub async fn set_as_of(txn: &DatabaseTransaction, at: DateTime<Utc>) -> Result<(), StoreError> {
    sync_state::Entity::update_many()
        .col_expr(sync_state::Column::AsOf, Expr::value(at))
        .exec(txn)
        .await?;
    Ok(())
}

/// Asks for a full comparison unless one is already asked for.
///
/// # Errors
/// Those of the database.
pub async fn request_reconcile(
    db: &impl ConnectionTrait,
    request: ReconcileRequest,
) -> Result<(), StoreError> {
    sync_state::Entity::update_many()
        .col_expr(
            sync_state::Column::ReconcileDueAt,
            Expr::value(request.due_at),
        )
        .col_expr(
            sync_state::Column::ReconcileReason,
            Expr::value(request.reason),
        )
        .filter(sync_state::Column::ReconcileDueAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}

/// Takes the request off when its comparison begins, so that what happens meanwhile asks anew.
///
/// # Errors
/// Those of the database.
pub async fn take_request(txn: &DatabaseTransaction) -> Result<(), StoreError> {
    sync_state::Entity::update_many()
        .col_expr(
            sync_state::Column::ReconcileDueAt,
            Expr::value(None::<DateTime<Utc>>),
        )
        .col_expr(
            sync_state::Column::ReconcileReason,
            Expr::value(None::<String>),
        )
        .exec(txn)
        .await?;
    Ok(())
}

/// Notes the end of a full comparison, and the alarm it raised or took back.
///
/// # Errors
/// Those of the database.
pub async fn end_reconcile(
    txn: &DatabaseTransaction,
    at: DateTime<Utc>,
    alarm: Option<String>,
) -> Result<(), StoreError> {
    sync_state::Entity::update_many()
        .col_expr(sync_state::Column::ReconciledAt, Expr::value(at))
        .col_expr(sync_state::Column::Alarm, Expr::value(alarm))
        .exec(txn)
        .await?;
    Ok(())
}
