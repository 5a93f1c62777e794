//! Moves parked messages on: sends them again, edited or not, or discards them; never twice.
//!
//! One transaction takes the message out of the parked ones, forgets that its queue has seen it, writes
//! it into the outbox and notes who did that. So a command that is repeated, runs twice at once or dies on
//! the way sends each message once, and what the relay then sends twice the inbox recognises.

use chrono::{DateTime, Utc};
use contracts::SCHEMA_VERSION;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, FromQueryResult,
    TransactionTrait, Value,
};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::again::{Again, Waiting};
use crate::{
    inbox::Outcome,
    operations::audit::{self, Action, NewAudit, Operator},
    sources::Sources,
    sql::{execute, statement, storable},
};

/// The most messages that one command resolves; whoever has more repeats it.
const MOST: usize = 10_000;

/// Messages that are held in memory at once.
const CHUNK: usize = 200;

/// Which parked messages a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// The one with this id.
    One(Uuid),
    /// All that wait for the same cause.
    Cause(Uuid),
    /// All.
    All,
}

/// What a command has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Resolved {
    /// Messages that it sent or discarded.
    pub messages: usize,
    /// Messages that cannot be sent as they are: their bodies are no text, or their queue is not consumed
    /// here any more.
    pub left: usize,
}

impl Resolved {
    /// So many messages were sent or discarded, and none was left.
    #[must_use]
    pub const fn all(messages: usize) -> Self {
        Self { messages, left: 0 }
    }
}

/// Why a command changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Somebody else was faster, or it never was there.
    #[error("nothing waits there any more")]
    Gone,
    /// Nobody can ever read it, so it is not sent again.
    #[error("the body is no text; it can be replaced or discarded")]
    NotText,
    /// The queue it came from has no consumer here any more.
    #[error("no queue of that name is consumed here")]
    NoSuchQueue,
    /// What cannot be taken back needs a reason.
    #[error("a reason is needed")]
    NoReason,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] DbErr),
}

/// Sends messages again as they are, under the ids they had.
///
/// # Errors
/// [`ResolveError`]; then nothing was changed.
pub async fn retry(
    db: &DatabaseConnection,
    sources: &Sources,
    operator: &Operator,
    selection: Selection,
) -> Result<Resolved, ResolveError> {
    let command = Command::begin(db, sources).await?;
    let mut done = Resolved::default();
    let mut obstacle = None;
    let mut records = Vec::new();
    let mut after = Uuid::nil();
    loop {
        let chunk = command.lock(selection, after).await?;
        let Some(last) = chunk.last() else { break };
        after = last.id;
        let mut sending = Vec::with_capacity(chunk.len());
        for waiting in chunk {
            match as_it_is(waiting) {
                Ok(again) => sending.push(again),
                Err(error) => {
                    done.left += 1;
                    obstacle = Some(error);
                }
            }
        }
        records.extend(sending.iter().map(|again| again.of.id));
        command.send(&sending, operator).await?;
        if records.len() >= MOST {
            break;
        }
    }
    done.messages = records.len();
    if records.is_empty() {
        return Err(obstacle.unwrap_or(ResolveError::Gone));
    }
    let entry = NewAudit {
        action: Action::Retry,
        subject: subject_of(selection),
        records: records.iter().map(ToString::to_string).collect(),
        reason: String::new(),
        before: json!({ "state": "parked" }),
        after: json!({ "state": "retried" }),
    };
    command.commit(operator, entry).await?;
    Ok(done)
}

/// Sends one message again with another body under the id it had; both bodies are kept in the audit.
///
/// A copy of the first body that the broker may still deliver is parked as a conflict (DESIGN.md M5).
///
/// # Errors
/// [`ResolveError`]; then nothing was changed.
pub async fn retry_edited(
    db: &DatabaseConnection,
    sources: &Sources,
    operator: &Operator,
    id: Uuid,
    body: String,
) -> Result<(), ResolveError> {
    if super::sendable(body.as_bytes()).is_none() {
        return Err(ResolveError::NotText);
    }
    let command = Command::begin(db, sources).await?;
    let chunk = command.lock(Selection::One(id), Uuid::nil()).await?;
    let waiting = chunk.into_iter().next().ok_or(ResolveError::Gone)?;
    let before = json!({ "state": "parked", "body": readable(&waiting.body) });
    let after = json!({ "state": "retried", "body": &body });
    let again = Again::try_new(waiting, body)?;
    command.send(&[again], operator).await?;
    let entry = NewAudit {
        action: Action::EditAndRetry,
        subject: subject_of(Selection::One(id)),
        records: vec![id.to_string()],
        reason: String::new(),
        before,
        after,
    };
    command.commit(operator, entry).await
}

/// Gives messages up for good; they stay in the table for whoever asks later.
///
/// # Errors
/// [`ResolveError`]; then nothing was changed.
pub async fn discard(
    db: &DatabaseConnection,
    sources: &Sources,
    operator: &Operator,
    selection: Selection,
    reason: &str,
) -> Result<Resolved, ResolveError> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(ResolveError::NoReason);
    }
    let command = Command::begin(db, sources).await?;
    let records = command.discard(selection, operator, reason).await?;
    if records.is_empty() {
        return Err(ResolveError::Gone);
    }
    let messages = records.len();
    let entry = NewAudit {
        action: Action::Discard,
        subject: subject_of(selection),
        records: records.iter().map(ToString::to_string).collect(),
        reason: reason.to_owned(),
        before: json!({ "state": "parked" }),
        after: json!({ "state": "discarded" }),
    };
    command.commit(operator, entry).await?;
    Ok(Resolved::all(messages))
}

fn as_it_is(waiting: Waiting) -> Result<Again, ResolveError> {
    let body = super::sendable(&waiting.body).ok_or(ResolveError::NotText)?;
    let body = body.to_owned();
    Again::try_new(waiting, body)
}

fn subject_of(selection: Selection) -> String {
    match selection {
        Selection::One(_) => "a parked message",
        Selection::Cause(_) => "parked messages of one cause",
        Selection::All => "all parked messages",
    }
    .to_owned()
}

/// A body for people; what is no text shows where it is none.
pub(crate) fn readable(body: &[u8]) -> String {
    storable(&String::from_utf8_lossy(body))
}

/// One command with its transaction; dropping it takes everything back.
struct Command<'a> {
    txn: DatabaseTransaction,
    sources: &'a Sources,
    id: Uuid,
    now: DateTime<Utc>,
}

impl<'a> Command<'a> {
    async fn begin(db: &DatabaseConnection, sources: &'a Sources) -> Result<Self, DbErr> {
        Ok(Self {
            txn: db.begin().await?,
            sources,
            id: sources.new_id(),
            now: sources.now(),
        })
    }

    /// Holds messages that wait, in the order of their ids so that two commands cannot block each other.
    async fn lock(&self, selection: Selection, after: Uuid) -> Result<Vec<Waiting>, DbErr> {
        let (condition, id) = condition_of(selection);
        let sql = format!(
            "SELECT id, queue, routing_key, message_id, headers, properties, body, digest, \
             parked_at FROM parked_message WHERE state = 'parked' AND {condition} AND id > $2 \
             ORDER BY id LIMIT $3 FOR UPDATE"
        );
        let values = [id.into(), after.into(), rows(CHUNK)];
        Waiting::find_by_statement(statement(&sql, values))
            .all(&self.txn)
            .await
    }

    async fn send(&self, messages: &[Again], operator: &Operator) -> Result<(), DbErr> {
        if messages.is_empty() {
            return Ok(());
        }
        self.mark_retried(messages, operator).await?;
        self.forget(messages).await?;
        self.append(messages).await
    }

    async fn mark_retried(&self, messages: &[Again], operator: &Operator) -> Result<(), DbErr> {
        let sql = "UPDATE parked_message SET state = 'retried', resolved_at = $2, resolved_by = $3, \
                   audit_id = $4 WHERE id = ANY($1)";
        let ids: Vec<Uuid> = messages.iter().map(|again| again.of.id).collect();
        let values = [
            ids.into(),
            self.now.into(),
            operator.id.into(),
            self.id.into(),
        ];
        execute(&self.txn, sql, values).await.map(drop)
    }

    /// Takes away the inbox rows that parking wrote. Not those of another body under the same id, which
    /// was applied; nor those of what the broker gave up on after it was applied without an
    /// acknowledgement: sent again, such a message is recognised and changes nothing.
    async fn forget(&self, messages: &[Again]) -> Result<(), DbErr> {
        let sql = "DELETE FROM inbox i USING unnest($1::uuid[], $2::text[], $3::bytea[]) \
                   AS m(id, queue, digest) WHERE i.message_id = m.id AND i.consumer = m.queue \
                   AND i.digest = m.digest AND i.outcome = $4";
        let ids: Vec<Uuid> = messages.iter().map(|again| again.message_id).collect();
        let queues: Vec<String> = messages
            .iter()
            .map(|again| again.of.queue.clone())
            .collect();
        let digests: Vec<Vec<u8>> = messages
            .iter()
            .map(|again| again.of.digest.clone())
            .collect();
        let parked = Outcome::Parked.name();
        let values = [ids.into(), queues.into(), digests.into(), parked.into()];
        execute(&self.txn, sql, values).await.map(drop)
    }

    async fn append(&self, messages: &[Again]) -> Result<(), DbErr> {
        let sql = "INSERT INTO outbox (message_id, exchange, routing_key, entity_id, schema_version, \
                   occurred_at, headers, body) \
                   SELECT m.id, m.exchange, m.queue, m.parked, $8, m.at, m.headers::jsonb, m.body \
                   FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[], \
                   $6::text[], $7::text[]) \
                   WITH ORDINALITY AS m(id, exchange, queue, parked, at, headers, body, n) ORDER BY m.n";
        let ids: Vec<Uuid> = messages.iter().map(|again| again.message_id).collect();
        let parked: Vec<Uuid> = messages.iter().map(|again| again.of.id).collect();
        let times: Vec<DateTime<Utc>> = messages.iter().map(|again| again.occurred_at).collect();
        let text = |of: fn(&Again) -> &str| -> Value {
            let texts = messages.iter().map(|again| of(again).to_owned());
            texts.collect::<Vec<String>>().into()
        };
        let values = [
            ids.into(),
            text(|again| &again.exchange),
            text(|again| &again.of.queue),
            parked.into(),
            times.into(),
            text(|again| &again.headers),
            text(|again| &again.body),
            i32::from(SCHEMA_VERSION).into(),
        ];
        execute(&self.txn, sql, values).await.map(drop)
    }

    async fn discard(
        &self,
        selection: Selection,
        operator: &Operator,
        reason: &str,
    ) -> Result<Vec<Uuid>, DbErr> {
        let (condition, id) = condition_of(selection);
        let sql = format!(
            "WITH chosen AS (SELECT id FROM parked_message WHERE state = 'parked' AND {condition} \
             ORDER BY id LIMIT $2 FOR UPDATE) \
             UPDATE parked_message p SET state = 'discarded', resolved_at = $3, resolved_by = $4, \
             audit_id = $5, note = $6 FROM chosen WHERE p.id = chosen.id RETURNING p.id"
        );
        let values = [
            id.into(),
            rows(MOST),
            self.now.into(),
            operator.id.into(),
            self.id.into(),
            reason.into(),
        ];
        let rows = self.txn.query_all_raw(statement(&sql, values)).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    async fn commit(self, operator: &Operator, entry: NewAudit) -> Result<(), ResolveError> {
        tracing::info!(
            user.id = %operator.id,
            action = entry.action.name(),
            messages = entry.records.len(),
            "parked messages are resolved"
        );
        audit::record(&self.txn, self.id, self.sources.now(), operator, entry).await?;
        Ok(self.txn.commit().await?)
    }
}

/// The condition on `$1`; every selection has that parameter, so that the others keep their numbers.
fn condition_of(selection: Selection) -> (&'static str, Uuid) {
    match selection {
        Selection::One(id) => ("id = $1", id),
        Selection::Cause(id) => ("cause_id = $1", id),
        Selection::All => ("$1::uuid IS NOT NULL", Uuid::nil()),
    }
}

fn rows(most: usize) -> Value {
    i64::try_from(most).unwrap_or(i64::MAX).into()
}
