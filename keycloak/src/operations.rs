//! What administrators see of the bridge and ask of it, at the operations page.

use chrono::{DateTime, Utc};
use contracts::operations::{
    BridgeState, ComparisonDue, DeadMessage, DeletionAlarm, OutboxState, ResolveDead, WatchFault,
};
use platform::{
    operations::{
        audit::{self, Action, NewAudit, Operator},
        dead::{self, DeadRow, DeadSelection},
    },
    outbox::{self, Backlog},
    parked::ResolveError,
    sources::Sources,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, TransactionTrait};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::store::{
    StoreError,
    comparison::{self, ReconcileRequest},
    mirror,
    state::{self, RaisedAlarm},
};

/// Something that a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Command {
    /// Its id.
    pub(crate) id: Uuid,
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// The administrator.
    pub(crate) asked_by: Uuid,
}

/// What became of a wish to accept deletions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acceptance {
    /// The next comparison, which begins now, may delete them.
    Accepted,
    /// No alarm is about that many users, so nobody knows what would be accepted.
    NotAsShown,
}

/// How the bridge is.
///
/// # Errors
/// Those of the database.
pub(crate) async fn view(db: &DatabaseConnection) -> Result<BridgeState, StoreError> {
    let backlog = outbox::backlog(db).await?;
    let state = state::load(db).await?;
    Ok(BridgeState {
        outbox: outbox_state(&backlog),
        dead: dead::list(db)
            .await?
            .into_iter()
            .map(dead_message)
            .collect(),
        users: mirror::count_living(db).await?,
        as_of: state.as_of,
        last_event_at: state.admin_events_at.max(state.user_events_at),
        compared_at: state.reconciled_at,
        comparison_due: state
            .reconcile_due_at
            .zip(state.reconcile_reason)
            .map(|(at, reason)| ComparisonDue { at, reason }),
        alarm: state.alarm.map(deletion_alarm),
        fault: state.fault.map(|fault| WatchFault {
            since: fault.since,
            reason: fault.reason,
        }),
    })
}

fn outbox_state(backlog: &Backlog) -> OutboxState {
    OutboxState {
        waiting: u64::try_from(backlog.waiting).unwrap_or(0),
        oldest: backlog.oldest,
        dead: u64::try_from(backlog.dead).unwrap_or(0),
    }
}

fn dead_message(row: DeadRow) -> DeadMessage {
    DeadMessage {
        position: row.position,
        message_id: row.message_id,
        routing_key: row.routing_key,
        entity_id: row.entity_id,
        body: row.body,
        attempts: u32::try_from(row.attempts).unwrap_or(0),
        last_error: row.last_error,
        died_at: row.died_at,
    }
}

fn deletion_alarm(raised: RaisedAlarm) -> DeletionAlarm {
    DeletionAlarm {
        raised_at: raised.at,
        missing: raised.alarm.missing,
        known: raised.alarm.known,
        allowed: raised.alarm.allowed,
    }
}

/// Asks for a full comparison now.
///
/// # Errors
/// Those of the database.
pub(crate) async fn reconcile(
    db: &DatabaseConnection,
    command: &Command,
) -> Result<(), StoreError> {
    let txn = db.begin().await?;
    compare_now(&txn, command).await?;
    let entry = Entry {
        action: Action::Compare,
        reason: "",
        before: json!({}),
        after: json!({}),
    };
    note(&txn, command, entry).await?;
    state::commit(txn).await
}

/// Lets the next comparison delete the users that the alarm names, and asks for it now.
///
/// # Errors
/// Those of the database.
pub(crate) async fn accept_deletions(
    db: &DatabaseConnection,
    command: &Command,
    missing: u64,
    reason: &str,
) -> Result<Acceptance, StoreError> {
    let txn = db.begin().await?;
    if !comparison::accept_deletions(&txn, missing).await? {
        return Ok(Acceptance::NotAsShown);
    }
    compare_now(&txn, command).await?;
    let entry = Entry {
        action: Action::AcceptDeletions,
        reason,
        before: json!({ "missing": missing }),
        after: json!({ "accepted_deletions": missing }),
    };
    note(&txn, command, entry).await?;
    state::commit(txn).await?;
    Ok(Acceptance::Accepted)
}

async fn compare_now(txn: &DatabaseTransaction, command: &Command) -> Result<(), StoreError> {
    let wish = ReconcileRequest {
        due_at: command.at,
        reason: "an administrator asked for it".to_owned(),
        event_at: None,
    };
    comparison::request(txn, wish).await
}

/// What is audited of a command.
struct Entry<'a> {
    action: Action,
    reason: &'a str,
    before: Value,
    after: Value,
}

async fn note(
    txn: &DatabaseTransaction,
    command: &Command,
    entry: Entry<'_>,
) -> Result<(), StoreError> {
    let entry = NewAudit {
        action: entry.action,
        subject: "the copy of Keycloak's users".to_owned(),
        records: Vec::new(),
        reason: entry.reason.to_owned(),
        before: entry.before,
        after: entry.after,
    };
    let operator = operator(txn, command.asked_by).await?;
    tracing::info!(
        action = entry.action.name(),
        operator = operator.name,
        "an administrator's command"
    );
    Ok(audit::record(txn, command.id, command.at, &operator, entry).await?)
}

/// By the name that the copy knows now, since it may change or vanish later.
async fn operator(db: &impl ConnectionTrait, id: Uuid) -> Result<Operator, StoreError> {
    let name = mirror::username(db, id).await?.unwrap_or_default();
    Ok(Operator { id, name })
}

/// What is done with messages that the broker refused too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// They go back into the outbox.
    Retry,
    /// They are given up; the audit keeps them.
    Discard,
}

/// Resolves the messages that are named and still there; answers how many those were.
///
/// # Errors
/// Those of the database; what was resolved before stays so.
pub(crate) async fn resolve_dead(
    db: &DatabaseConnection,
    sources: &Sources,
    asked: &ResolveDead,
    resolution: Resolution,
) -> Result<usize, StoreError> {
    let operator = operator(db, asked.asked_by).await?;
    let mut resolved = 0;
    for position in &asked.positions {
        let one = DeadSelection::One(*position);
        let outcome = match resolution {
            Resolution::Retry => dead::retry(db, sources, &operator, one).await,
            Resolution::Discard => dead::discard(db, sources, &operator, one, &asked.reason).await,
        };
        resolved += match outcome {
            Ok(messages) => messages,
            Err(ResolveError::Database(error)) => return Err(error.into()),
            // Somebody was faster; a missing reason is refused before, the rest is about parked ones.
            Err(
                ResolveError::Gone
                | ResolveError::NoReason
                | ResolveError::NotText
                | ResolveError::NoSuchQueue,
            ) => 0,
        };
    }
    Ok(resolved)
}
