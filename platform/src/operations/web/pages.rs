//! The operations pages: read, then shown as a page or as data.

use axum::{
    extract::{Path, Query, rejection::QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    administrator::Administrator,
    views::{AuditPage, CausePage, MessageData, MessagePage, OverviewPage, RefusedPage},
};
use crate::{
    operations::{
        audit::{self, AuditRow},
        dead,
        snapshot::{self, Snapshot},
    },
    parked::{self, Cause, ParkedRow},
};

/// Rows of one page of a list.
const PAGE: u32 = 50;

/// Where a list goes on.
#[derive(Debug, Default, Deserialize)]
pub(super) struct From {
    from: Option<Uuid>,
}

/// The overview as data.
#[derive(Debug, Serialize)]
struct OverviewData {
    csrf_token: String,
    #[serde(flatten)]
    snapshot: Snapshot,
}

/// A cause with some of its messages, as data.
#[derive(Debug, Serialize)]
struct CauseData {
    #[serde(flatten)]
    cause: Cause,
    messages: Vec<ParkedRow>,
    next: Option<Uuid>,
}

/// Commands of the past, as data.
#[derive(Debug, Serialize)]
struct AuditData {
    commands: Vec<AuditRow>,
    next: Option<Uuid>,
}

pub(super) async fn overview(who: Administrator) -> Result<Response, Response> {
    let operations = &who.operations;
    let (broker, copies) = (&operations.broker, operations.subject.copies);
    let now = operations.sources.now();
    let snapshot = snapshot::take(&operations.db, broker, copies, now).await;
    let data = OverviewData {
        csrf_token: who.principal.csrf().to_string(),
        snapshot: snapshot.map_err(|error| who.fail(&error))?,
    };
    Ok(who.show(data, |data| OverviewPage {
        shell: who.shell(),
        subject: operations.subject,
        now: data.snapshot,
    }))
}

pub(super) async fn cause(
    who: Administrator,
    Path(cause_id): Path<Uuid>,
    from: Result<Query<From>, QueryRejection>,
) -> Result<Response, Response> {
    let Query(From { from }) = from.unwrap_or_default();
    let db = &who.operations.db;
    let cause = parked::cause(db, cause_id).await;
    let cause = cause
        .map_err(|error| who.fail(&error))?
        .ok_or_else(|| who.not_found())?;
    let messages = parked::page(db, cause_id, from, PAGE).await;
    let messages = messages.map_err(|error| who.fail(&error))?;
    let next = next(&messages, |message| message.id);
    let data = CauseData {
        cause,
        messages,
        next,
    };
    Ok(who.show(data, |data| CausePage {
        shell: who.shell(),
        subject: who.operations.subject,
        cause: data.cause,
        messages: data.messages,
        next: data.next,
    }))
}

pub(super) async fn message(
    who: Administrator,
    Path(id): Path<Uuid>,
) -> Result<Response, Response> {
    let data = read_message(&who, id).await?;
    Ok(who.show(data, |data| MessagePage {
        shell: who.shell(),
        subject: who.operations.subject,
        typed: data.editable(),
        wrong: None,
        data,
    }))
}

/// The page of a message whose new body cannot be sent, with what was typed.
pub(super) async fn edited_message(
    who: &Administrator,
    id: Uuid,
    typed: String,
    error: &serde_json::Error,
) -> Result<Response, Response> {
    let data = read_message(who, id).await?;
    let page = MessagePage {
        shell: who.shell(),
        subject: who.operations.subject,
        typed: Some(typed),
        wrong: Some(format!("This is no JSON: {error}.")),
        data,
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn read_message(who: &Administrator, id: Uuid) -> Result<MessageData, Response> {
    let db = &who.operations.db;
    let message = parked::find(db, id).await;
    let message = message
        .map_err(|error| who.fail(&error))?
        .ok_or_else(|| who.not_found())?;
    let command = match message.audit_id {
        Some(id) => audit::find(db, id)
            .await
            .map_err(|error| who.fail(&error))?,
        None => None,
    };
    Ok(MessageData { message, command })
}

/// `GET …/parked/{id}/body`: every byte of a body, as a file.
pub(super) async fn body(who: Administrator, Path(id): Path<Uuid>) -> Result<Response, Response> {
    let message = read_message(&who, id).await?.message;
    let name = HeaderValue::try_from(format!("attachment; filename=\"{id}.bin\""));
    let mut response = message.body.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    if let Ok(name) = name {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

pub(super) async fn refused(
    who: Administrator,
    Path(position): Path<i64>,
) -> Result<Response, Response> {
    let found = dead::find(&who.operations.db, position).await;
    let row = found
        .map_err(|error| who.fail(&error))?
        .ok_or_else(|| who.not_found())?;
    Ok(who.show(row, |row| RefusedPage {
        shell: who.shell(),
        subject: who.operations.subject,
        row,
    }))
}

pub(super) async fn audit(
    who: Administrator,
    from: Result<Query<From>, QueryRejection>,
) -> Result<Response, Response> {
    let Query(From { from }) = from.unwrap_or_default();
    let commands = audit::page(&who.operations.db, from, PAGE).await;
    let commands = commands.map_err(|error| who.fail(&error))?;
    let next = next(&commands, |command| command.id);
    let data = AuditData { commands, next };
    Ok(who.show(data, |data| AuditPage {
        shell: who.shell(),
        subject: who.operations.subject,
        commands: data.commands,
        next: data.next,
    }))
}

/// Where a full page goes on.
fn next<T>(rows: &[T], id: fn(&T) -> Uuid) -> Option<Uuid> {
    let is_full = u32::try_from(rows.len()).is_ok_and(|rows| rows == PAGE);
    rows.last().filter(|_| is_full).map(id)
}
