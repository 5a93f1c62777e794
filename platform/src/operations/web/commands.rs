//! Commands of administrators: each is one function of the platform, noted in the audit.

use axum::{extract::Path, response::Response};
use serde::Deserialize;
use uuid::Uuid;

use super::{administrator::Administrator, pages, views::grammar};
use crate::{
    auth::{NoFields, ProtectedForm},
    operations::dead::{self, DeadSelection},
    parked::{self, Resolved, Selection},
};

/// Why something is given up.
#[derive(Debug, Deserialize)]
pub(super) struct Reason {
    #[serde(default)]
    reason: String,
}

/// A message that is sent again, with another body when there is one.
#[derive(Debug, Deserialize)]
pub(super) struct Again {
    body: Option<String>,
}

pub(super) async fn retry_all(
    who: Administrator,
    ProtectedForm(NoFields {}): ProtectedForm<NoFields>,
) -> Result<Response, Response> {
    retry(&who, Selection::All).await
}

pub(super) async fn retry_cause(
    who: Administrator,
    Path(cause): Path<Uuid>,
    ProtectedForm(NoFields {}): ProtectedForm<NoFields>,
) -> Result<Response, Response> {
    retry(&who, Selection::Cause(cause)).await
}

/// `POST …/parked/{id}/retry`: with a `body` that says something else, the message is edited.
pub(super) async fn retry_one(
    who: Administrator,
    Path(id): Path<Uuid>,
    ProtectedForm(again): ProtectedForm<Again>,
) -> Result<Response, Response> {
    let Some(typed) = again.body else {
        return retry(&who, Selection::One(id)).await;
    };
    // Browsers send the ends of lines as two characters.
    let typed = typed.replace("\r\n", "\n");
    let edited: serde_json::Value = match serde_json::from_str(&typed) {
        Ok(edited) => edited,
        Err(error) => return pages::edited_message(&who, id, typed, &error).await,
    };
    let found = parked::find(&who.operations.db, id).await;
    let message = found
        .map_err(|error| who.fail(&error))?
        .ok_or_else(|| who.not_found())?;
    if serde_json::from_slice(&message.body).is_ok_and(|sent: serde_json::Value| sent == edited) {
        return retry(&who, Selection::One(id)).await;
    }
    let operations = &who.operations;
    let (db, sources) = (&operations.db, &operations.sources);
    let outcome = parked::retry_edited(db, sources, &who.operator(), id, typed).await;
    outcome.map_err(|error| who.refuse(&error))?;
    operations.outbox.wake();
    let text = "The message was sent again with its new body.";
    Ok(who.done(Resolved::all(1), text))
}

pub(super) async fn discard_one(
    who: Administrator,
    Path(id): Path<Uuid>,
    ProtectedForm(why): ProtectedForm<Reason>,
) -> Result<Response, Response> {
    discard(&who, Selection::One(id), &why.reason).await
}

pub(super) async fn discard_cause(
    who: Administrator,
    Path(cause): Path<Uuid>,
    ProtectedForm(why): ProtectedForm<Reason>,
) -> Result<Response, Response> {
    discard(&who, Selection::Cause(cause), &why.reason).await
}

pub(super) async fn retry_all_refused(
    who: Administrator,
    ProtectedForm(NoFields {}): ProtectedForm<NoFields>,
) -> Result<Response, Response> {
    retry_dead(&who, DeadSelection::All).await
}

pub(super) async fn retry_refused(
    who: Administrator,
    Path(position): Path<i64>,
    ProtectedForm(NoFields {}): ProtectedForm<NoFields>,
) -> Result<Response, Response> {
    retry_dead(&who, DeadSelection::One(position)).await
}

pub(super) async fn discard_refused(
    who: Administrator,
    Path(position): Path<i64>,
    ProtectedForm(why): ProtectedForm<Reason>,
) -> Result<Response, Response> {
    let operations = &who.operations;
    let (db, sources) = (&operations.db, &operations.sources);
    let selection = DeadSelection::One(position);
    let outcome = dead::discard(db, sources, &who.operator(), selection, &why.reason).await;
    let messages = outcome.map_err(|error| who.refuse(&error))?;
    let text = format!("{} discarded.", grammar::messages_were(messages));
    Ok(who.done(Resolved::all(messages), text))
}

async fn retry(who: &Administrator, selection: Selection) -> Result<Response, Response> {
    let operations = &who.operations;
    let (db, sources) = (&operations.db, &operations.sources);
    let outcome = parked::retry(db, sources, &who.operator(), selection).await;
    let resolved = outcome.map_err(|error| who.refuse(&error))?;
    operations.outbox.wake();
    let mut text = format!("{} sent again.", grammar::messages_were(resolved.messages));
    if resolved.left > 0 {
        text +=
            " Those whose bodies are no text or whose queues are not read here any more were left.";
    }
    Ok(who.done(resolved, text))
}

async fn discard(
    who: &Administrator,
    selection: Selection,
    reason: &str,
) -> Result<Response, Response> {
    let operations = &who.operations;
    let (db, sources) = (&operations.db, &operations.sources);
    let outcome = parked::discard(db, sources, &who.operator(), selection, reason).await;
    let resolved = outcome.map_err(|error| who.refuse(&error))?;
    let text = format!("{} discarded.", grammar::messages_were(resolved.messages));
    Ok(who.done(resolved, text))
}

async fn retry_dead(who: &Administrator, selection: DeadSelection) -> Result<Response, Response> {
    let operations = &who.operations;
    let (db, sources) = (&operations.db, &operations.sources);
    let outcome = dead::retry(db, sources, &who.operator(), selection).await;
    let messages = outcome.map_err(|error| who.refuse(&error))?;
    operations.outbox.wake();
    let text = format!(
        "{} put back into the outbox.",
        grammar::messages_were(messages)
    );
    Ok(who.done(Resolved::all(messages), text))
}
