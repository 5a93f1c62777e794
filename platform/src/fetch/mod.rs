//! Fetching records from the service that owns them, outside of every message's way (DESIGN.md section 6).
//!
//! A handler notes in its transaction that a fetch is owed; a job works the notes off in batches and
//! goes on after any crash. An answer is stored only while its note is still there with the event it
//! was fetched for, so whatever happened meanwhile wins.

mod job;

pub use job::spawn;

use std::{future::Future, time::Duration};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, Value};
use uuid::Uuid;

use crate::{
    errors::explain,
    peer::PeerError,
    sql::{execute, statement},
    trace::TraceContext,
};

/// Fetches and stores one kind of record.
pub trait Fetcher: Send + Sync + 'static {
    /// The kind of record, the first part of a note's key.
    const KIND: &'static str;

    /// A record as its owner sends it.
    type Record: Send + Sync;

    /// Asks the owner for up to [`contracts::topology::MAX_BATCH_GET`] records.
    ///
    /// # Errors
    /// [`FetchError`] when there was no answer.
    fn fetch(
        &self,
        ids: Vec<Uuid>,
    ) -> impl Future<Output = Result<Fetched<Self::Record>, FetchError>> + Send;

    /// Stores what was fetched; a record the owner does not have comes as `None`.
    ///
    /// # Errors
    /// Those of the database.
    fn store(
        &self,
        txn: &DatabaseTransaction,
        answers: &[Answer<Self::Record>],
    ) -> impl Future<Output = Result<(), DbErr>> + Send;

    /// Called after a commit: the place to wake the relay.
    fn committed(&self) {}
}

/// What the owner said of the records it was asked for; those in neither list are asked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched<R> {
    /// Those it has.
    pub found: Vec<(Uuid, R)>,
    /// Those it does not have, for good.
    pub missing: Vec<Uuid>,
}

/// What the owner said of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<R> {
    /// The record's id.
    pub id: Uuid,
    /// The timestamp of the event that asked for it.
    pub event_ts: DateTime<Utc>,
    /// The record; absent when the owner does not have it.
    pub record: Option<R>,
}

/// Why records could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FetchError {
    /// What went wrong, with its causes.
    pub reason: String,
    /// How long the owner asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl From<PeerError> for FetchError {
    fn from(error: PeerError) -> Self {
        Self {
            retry_after: error.retry_after(),
            reason: explain(&error),
        }
    }
}

/// A fetch that is owed because of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// The record.
    pub id: Uuid,
    /// The timestamp of the event.
    pub event_ts: DateTime<Utc>,
}

/// Notes in the event's transaction that records must be fetched; a newer event replaces an older one.
///
/// `owed` must not name a record twice.
///
/// # Errors
/// Those of the database.
pub async fn note(
    txn: &DatabaseTransaction,
    kind: &str,
    owed: &[Owed],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    note_if(txn, kind, owed, now, "true").await
}

/// [`note`] for those of the records that fulfil a condition: SQL from the code about `o.id` and the time
/// `o.at` of the event, such as that the cache knows nothing newer.
///
/// # Errors
/// Those of the database.
pub async fn note_if(
    txn: &DatabaseTransaction,
    kind: &str,
    owed: &[Owed],
    now: DateTime<Utc>,
    condition: &str,
) -> Result<(), DbErr> {
    if owed.is_empty() {
        return Ok(());
    }
    execute(
        txn,
        &note_if_sql(1, condition),
        note_parameters(kind, owed, now),
    )
    .await
    .map(drop)
}

/// The statement of [`note_if`], for a command that does more in one round trip by making it part of a
/// `WITH`; its parameters are numbered from `first`.
#[must_use]
pub fn note_if_sql(first: usize, condition: &str) -> String {
    let [kind, now, ids, times, traces] = [0, 1, 2, 3, 4].map(|offset| first + offset);
    format!(
        "INSERT INTO fetch_pending AS p (kind, entity_id, event_ts, next_at, noted_at, traceparent) \
         SELECT ${kind}, o.id, o.at, ${now}, ${now}, nullif(o.trace, '') \
         FROM unnest(${ids}::uuid[], ${times}::timestamptz[], ${traces}::text[]) AS o(id, at, trace) \
         WHERE {condition} ORDER BY o.id \
         ON CONFLICT (kind, entity_id) DO UPDATE \
         SET event_ts = excluded.event_ts, attempts = 0, next_at = excluded.next_at, \
         last_error = NULL, traceparent = excluded.traceparent \
         WHERE p.event_ts < excluded.event_ts"
    )
}

/// The parameters of [`note_if_sql`], in order.
#[must_use]
pub fn note_parameters(kind: &str, owed: &[Owed], now: DateTime<Utc>) -> [Value; 5] {
    let ids: Vec<Uuid> = owed.iter().map(|owed| owed.id).collect();
    let times: Vec<DateTime<Utc>> = owed.iter().map(|owed| owed.event_ts).collect();
    let trace = |owed: &Owed| {
        let trace = TraceContext::of_record(owed.id);
        trace.map_or_else(String::new, |trace| trace.to_string())
    };
    let traces: Vec<String> = owed.iter().map(trace).collect();
    [
        kind.into(),
        now.into(),
        ids.into(),
        times.into(),
        traces.into(),
    ]
}

/// Forgets notes and with them every fetch that is under way: for records that are gone for good.
///
/// Call it before the record itself is changed: an answer that is just being stored holds the note,
/// so what follows sees the record as stored. `noted_next` are the records that the same transaction
/// notes afterwards.
///
/// # Errors
/// Those of the database.
pub async fn forget(
    txn: &DatabaseTransaction,
    kind: &str,
    gone: &[Uuid],
    noted_next: impl Iterator<Item = Uuid>,
) -> Result<(), DbErr> {
    if gone.is_empty() {
        return Ok(());
    }
    // All at once: whoever forgot 9 and then noted 5 would wait for somebody who holds 5 and wants 9.
    let sql = format!(
        "DELETE FROM fetch_pending \
         WHERE kind = $1 AND entity_id = ANY($2) AND entity_id = ANY({})",
        held_sql("$3")
    );
    let held: Vec<Uuid> = gone.iter().copied().chain(noted_next).collect();
    let values = [kind.into(), gone.to_vec().into(), held.into()];
    execute(txn, &sql, values).await.map(drop)
}

/// SQL for the ids of those notes of the kind `$1` that are among `ids`: an array, for which they are locked in
/// the order of ids, as everybody locks them, before anything else of the statement happens.
fn held_sql(ids: &str) -> String {
    format!(
        "ARRAY(SELECT entity_id FROM fetch_pending \
         WHERE kind = $1 AND entity_id = ANY({ids}) ORDER BY entity_id FOR UPDATE)"
    )
}

/// How many fetches of a kind are owed, and since when.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct FetchBacklog {
    /// Notes.
    pub waiting: i64,
    /// Since when the first of them is owed.
    pub oldest: Option<DateTime<Utc>>,
}

/// Counts the notes of a kind.
///
/// # Errors
/// Those of the database.
pub async fn backlog(db: &impl ConnectionTrait, kind: &str) -> Result<FetchBacklog, DbErr> {
    let sql =
        "SELECT count(*) AS waiting, min(noted_at) AS oldest FROM fetch_pending WHERE kind = $1";
    let row = FetchBacklog::find_by_statement(statement(sql, [kind.into()]))
        .one(db)
        .await?;
    row.ok_or_else(|| DbErr::RecordNotFound("the backlog of fetches".to_owned()))
}
