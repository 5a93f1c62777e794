//! The auth bridge's part of the operations page: asked and told by machine token, audited here.

use axum::{extract::Path, response::Response};
use contracts::operations::{AcceptDeletions, BridgeState, Reconcile, ResolveDead};
use sea_orm::TransactionTrait;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{administrator::Administrator, views::BridgePage};
use crate::{
    auth::{NoFields, ProtectedForm},
    operations::audit::{self, Action, NewAudit},
    parked::Resolved,
    peer::{PeerClient, PeerError},
};

const AWAY: &str = "The auth bridge does not answer. Nothing was changed; try again in a moment.";
const CHANGED: &str =
    "Things are not as they were shown any more. Nothing was changed; look again.";
const NO_REASON: &str = "Say why: the reason is kept in the log of commands.";

/// Accepts what the guard showed.
#[derive(Debug, Deserialize)]
pub(super) struct Acceptance {
    #[serde(default)]
    reason: String,
    missing: u64,
}

/// Why something is given up.
#[derive(Debug, Deserialize)]
pub(super) struct Reason {
    #[serde(default)]
    reason: String,
}

/// `GET /operations/auth`: also without an answer, which is what it then shows.
pub(super) async fn page(who: Administrator) -> Result<Response, Response> {
    let bridge = who.operations.bridge.as_deref();
    let state = match ask(bridge.ok_or_else(|| who.not_found())?).await {
        Ok(state) => Some(state),
        Err(error) => {
            tracing::warn!(%error, "the auth bridge does not say how it is");
            None
        }
    };
    let base = who.operations.subject.base;
    Ok(who.show(state, |state| BridgePage {
        shell: who.shell(),
        base,
        state,
    }))
}

pub(super) async fn compare(
    who: Administrator,
    ProtectedForm(NoFields {}): ProtectedForm<NoFields>,
) -> Result<Response, Response> {
    let asked_by = who.principal.user_id();
    tell(&who, "/operations/reconcile", &Reconcile { asked_by }).await?;
    let entry = entry(Action::Compare, "Keycloak's users with the copy", "");
    note(&who, entry).await?;
    let resolved = Resolved::all(0);
    Ok(who.done(resolved, "All users are being compared."))
}

pub(super) async fn accept_deletions(
    who: Administrator,
    ProtectedForm(accepted): ProtectedForm<Acceptance>,
) -> Result<Response, Response> {
    let reason = given(&accepted.reason).ok_or_else(|| who.unusable(NO_REASON))?;
    let body = AcceptDeletions {
        asked_by: who.principal.user_id(),
        reason: reason.to_owned(),
        missing: accepted.missing,
    };
    tell(&who, "/operations/accept-deletions", &body).await?;
    let entry = NewAudit {
        before: json!({ "missing": accepted.missing }),
        ..entry(
            Action::AcceptDeletions,
            "users that Keycloak does not show any more",
            reason,
        )
    };
    note(&who, entry).await?;
    let resolved = Resolved::all(0);
    Ok(who.done(resolved, "The next comparison deletes them."))
}

pub(super) async fn retry_refused(
    who: Administrator,
    Path(position): Path<i64>,
    ProtectedForm(NoFields {}): ProtectedForm<NoFields>,
) -> Result<Response, Response> {
    let body = resolve(&who, position, String::new());
    tell(&who, "/operations/outbox-dead/retry", &body).await?;
    let entry = NewAudit {
        records: vec![position.to_string()],
        ..entry(Action::RetryDead, "a message of the auth bridge", "")
    };
    note(&who, entry).await?;
    let resolved = Resolved::all(1);
    Ok(who.done(resolved, "The message was put back into the outbox."))
}

pub(super) async fn discard_refused(
    who: Administrator,
    Path(position): Path<i64>,
    ProtectedForm(why): ProtectedForm<Reason>,
) -> Result<Response, Response> {
    let reason = given(&why.reason).ok_or_else(|| who.unusable(NO_REASON))?;
    let bridge = who.operations.bridge.as_deref();
    let state = ask(bridge.ok_or_else(|| who.not_found())?).await;
    let state = state.map_err(|error| refuse(&who, &error))?;
    let message = state
        .dead
        .iter()
        .find(|message| message.position == position);
    let before = json!({ "message": message.ok_or_else(|| who.conflict(CHANGED))? });
    let body = resolve(&who, position, reason.to_owned());
    tell(&who, "/operations/outbox-dead/discard", &body).await?;
    let entry = NewAudit {
        records: vec![position.to_string()],
        before,
        ..entry(Action::DiscardDead, "a message of the auth bridge", reason)
    };
    note(&who, entry).await?;
    let resolved = Resolved::all(1);
    Ok(who.done(resolved, "The message was discarded."))
}

/// What the bridge says of itself.
async fn ask(bridge: &PeerClient) -> Result<BridgeState, PeerError> {
    bridge.get_json("/operations").await
}

/// A reason that says something.
fn given(reason: &str) -> Option<&str> {
    Some(reason.trim()).filter(|reason| !reason.is_empty())
}

fn resolve(who: &Administrator, position: i64, reason: String) -> ResolveDead {
    ResolveDead {
        asked_by: who.principal.user_id(),
        positions: vec![position],
        reason,
    }
}

async fn tell<B: Serialize + Sync>(
    who: &Administrator,
    path: &str,
    body: &B,
) -> Result<(), Response> {
    let bridge = who.operations.bridge.as_deref();
    let told = bridge
        .ok_or_else(|| who.not_found())?
        .tell(path, body)
        .await;
    told.map_err(|error| refuse(who, &error))
}

fn refuse(who: &Administrator, error: &PeerError) -> Response {
    tracing::warn!(%error, "the auth bridge did not take a command");
    match error {
        PeerError::NotFound | PeerError::Refused { .. } => who.conflict(CHANGED),
        _ => who.conflict(AWAY),
    }
}

fn entry(action: Action, subject: &str, reason: &str) -> NewAudit {
    NewAudit {
        action,
        subject: subject.to_owned(),
        records: Vec::new(),
        reason: reason.to_owned(),
        before: json!({}),
        after: json!({}),
    }
}

/// The bridge has taken the command by now; it notes for itself who asked.
async fn note(who: &Administrator, entry: NewAudit) -> Result<(), Response> {
    let operations = &who.operations;
    let (id, now) = (operations.sources.new_id(), operations.sources.now());
    let work = async {
        let txn = operations.db.begin().await?;
        audit::record(&txn, id, now, &who.operator(), entry).await?;
        txn.commit().await
    };
    work.await.map_err(|error| who.fail(&error))
}
