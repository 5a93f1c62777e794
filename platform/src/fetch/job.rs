//! The job that works off the notes of owed fetches.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use contracts::topology::MAX_BATCH_GET;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, FromQueryResult,
    TransactionTrait,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::{Answer, FetchError, Fetched, Fetcher, held_sql};
use crate::{
    backoff::Backoff,
    lifecycle::Lifecycle,
    signal::Signal,
    sources::Sources,
    sql::{execute, statement, storable},
    trace::TraceContext,
};

/// How long a process may work on a note before another one may take it; longer than any call.
const LEASE: Duration = Duration::from_mins(1);

/// How often the job looks by itself: for notes of other replicas and notes that have become due.
const POLL: Duration = Duration::from_millis(500);

/// The longest pause of a note that keeps failing.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Works off the notes of the fetcher's kind until the process stops; replicas share the work.
///
/// `signal` wakes the job at once when a note was committed in this process.
pub fn spawn<F: Fetcher>(
    lifecycle: &Lifecycle,
    db: &DatabaseConnection,
    sources: &Sources,
    signal: &Signal,
    fetcher: F,
) {
    let stopping = lifecycle.stopping();
    let signal = signal.clone();
    let mut job = Job::new(db.clone(), sources.clone(), fetcher);
    lifecycle.spawn(F::KIND, async move {
        while !stopping.is_cancelled() {
            match job.run_once().await {
                Progress::More => {}
                Progress::Idle => tokio::select! {
                    () = stopping.cancelled() => {}
                    () = signal.woken() => {}
                    () = tokio::time::sleep(POLL) => {}
                },
                Progress::Failed(rest) => tokio::select! {
                    () = stopping.cancelled() => {}
                    () = tokio::time::sleep(rest) => {}
                },
            }
        }
    });
}

/// How the last run went.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// Something was done; there may be more.
    More,
    /// Nothing was due.
    Idle,
    /// The owner or the database failed; the job rests.
    Failed(Duration),
}

/// A note that this process works on.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
struct Claimed {
    entity_id: Uuid,
    event_ts: DateTime<Utc>,
    attempts: i32,
    traceparent: Option<String>,
}

/// A claimed note that stays, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PutBack {
    note: Claimed,
    pause: Duration,
}

struct Job<F> {
    db: DatabaseConnection,
    sources: Sources,
    fetcher: F,
    /// Halved by a failure and doubled by a success: one record that makes the owner fail ends up
    /// alone, and an owner that is away is asked for a single record until it answers.
    batch: usize,
    rest: Backoff,
}

impl<F: Fetcher> Job<F> {
    fn new(db: DatabaseConnection, sources: Sources, fetcher: F) -> Self {
        let (shortest, longest) = (Duration::from_millis(500), Duration::from_secs(10));
        Self {
            rest: Backoff::new(shortest, longest, sources.rng()),
            db,
            sources,
            fetcher,
            batch: MAX_BATCH_GET,
        }
    }

    async fn run_once(&mut self) -> Progress {
        // Whoever took longer would work on what is somebody else's by now.
        match timeout(LEASE, self.try_run_once()).await {
            Ok(Ok(progress)) => progress,
            Err(_elapsed) => {
                tracing::warn!(kind = F::KIND, "the database or the owner went silent");
                self.batch = (self.batch / 2).max(1);
                Progress::Failed(self.rest.next_pause())
            }
            Ok(Err(error)) => {
                tracing::warn!(kind = F::KIND, %error, "the notes of owed fetches cannot be read or written");
                Progress::Failed(self.rest.next_pause())
            }
        }
    }

    async fn try_run_once(&mut self) -> Result<Progress, DbErr> {
        let claimed = self.claim().await?;
        if claimed.is_empty() {
            return Ok(Progress::Idle);
        }
        let progress = self.work_off(claimed.clone()).await;
        if let Err(error) = &progress {
            self.batch = (self.batch / 2).max(1);
            // Or nobody would look at them before the lease runs out; when this fails as well, that remains.
            let notes: Vec<PutBack> = claimed.into_iter().map(PutBack::after_failure).collect();
            self.put_back(&notes, &error.to_string()).await.ok();
        }
        progress
    }

    async fn work_off(&mut self, claimed: Vec<Claimed>) -> Result<Progress, DbErr> {
        let ids = claimed.iter().map(|note| note.entity_id).collect();
        let fetching = self.fetcher.fetch(ids);
        // Notes of one trace are fetched in it; a batch of several is the beginning of its own.
        let fetched = match common_trace(&claimed) {
            Some(trace) => trace.scope(fetching).await,
            None => fetching.await,
        };
        match fetched {
            Ok(fetched) => {
                let (answers, unanswered) = sort_out(claimed, fetched);
                self.store(answers).await?;
                self.put_back(&unanswered, "the owner did not answer for this record")
                    .await?;
                self.batch = (self.batch * 2).min(MAX_BATCH_GET);
                self.rest.reset();
                Ok(Progress::More)
            }
            Err(error) => self.rest_after(claimed, &error).await,
        }
    }

    async fn rest_after(
        &mut self,
        claimed: Vec<Claimed>,
        error: &FetchError,
    ) -> Result<Progress, DbErr> {
        let records = claimed.len();
        tracing::warn!(
            kind = F::KIND,
            records,
            error = error.reason,
            "records could not be fetched"
        );
        let notes: Vec<PutBack> = claimed.into_iter().map(PutBack::after_failure).collect();
        self.put_back(&notes, &error.reason).await?;
        self.batch = (self.batch / 2).max(1);
        let rest = self.rest.next_pause();
        Ok(Progress::Failed(
            error.retry_after.map_or(rest, |asked| asked.max(rest)),
        ))
    }

    /// Takes due notes; until the lease runs out nobody else takes them. Those that failed least come
    /// first, so that a record which makes the owner fail does not hold up the others.
    async fn claim(&self) -> Result<Vec<Claimed>, DbErr> {
        // Materialized, or a nested loop might choose anew for every note and take more than the limit.
        let sql = "WITH due AS MATERIALIZED ( \
                   SELECT kind, entity_id FROM fetch_pending WHERE kind = $1 AND next_at <= $2 \
                   ORDER BY attempts, next_at LIMIT $4 FOR UPDATE SKIP LOCKED) \
                   UPDATE fetch_pending p SET next_at = $3 FROM due \
                   WHERE p.kind = due.kind AND p.entity_id = due.entity_id \
                   RETURNING p.entity_id, p.event_ts, p.attempts, p.traceparent";
        let now = self.sources.now();
        let most = i64::try_from(self.batch).unwrap_or(i64::MAX);
        let values = [
            F::KIND.into(),
            now.into(),
            (now + LEASE).into(),
            most.into(),
        ];
        Claimed::find_by_statement(statement(sql, values))
            .all(&self.db)
            .await
    }

    /// Stores the answers whose notes are still there for the same event, and removes those notes.
    async fn store(&self, answers: Vec<Answer<F::Record>>) -> Result<(), DbErr> {
        if answers.is_empty() {
            return Ok(());
        }
        let txn = self.db.begin().await?;
        let wanted = remove_notes(&txn, F::KIND, &answers).await?;
        let answers: Vec<_> = answers
            .into_iter()
            .filter(|answer| wanted.contains(&answer.id))
            .collect();
        if !answers.is_empty() {
            self.fetcher.store(&txn, &answers).await?;
        }
        txn.commit().await?;
        self.fetcher.committed();
        Ok(())
    }

    /// Lets the notes wait that are still there for the same event.
    async fn put_back(&self, notes: &[PutBack], reason: &str) -> Result<(), DbErr> {
        if notes.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "UPDATE fetch_pending p SET attempts = p.attempts + 1, next_at = o.at, last_error = $2 \
             FROM unnest($3::uuid[], $4::timestamptz[], $5::timestamptz[]) AS o(id, event_ts, at) \
             WHERE p.kind = $1 AND p.entity_id = o.id AND p.event_ts = o.event_ts \
             AND p.entity_id = ANY({})",
            held_sql("$3")
        );
        let now = self.sources.now();
        let ids: Vec<Uuid> = notes.iter().map(|back| back.note.entity_id).collect();
        let events: Vec<_> = notes.iter().map(|back| back.note.event_ts).collect();
        let times: Vec<_> = notes.iter().map(|back| now + back.pause).collect();
        let values = [
            F::KIND.into(),
            storable(reason).into(),
            ids.into(),
            events.into(),
            times.into(),
        ];
        execute(&self.db, &sql, values).await.map(drop)
    }
}

/// Removes the notes that are still there for the same event.
async fn remove_notes<R: Sync>(
    txn: &DatabaseTransaction,
    kind: &str,
    answers: &[Answer<R>],
) -> Result<HashSet<Uuid>, DbErr> {
    let sql = format!(
        "DELETE FROM fetch_pending p USING unnest($2::uuid[], $3::timestamptz[]) AS o(id, event_ts) \
         WHERE p.kind = $1 AND p.entity_id = o.id AND p.event_ts = o.event_ts \
         AND p.entity_id = ANY({}) RETURNING p.entity_id",
        held_sql("$2")
    );
    let ids: Vec<Uuid> = answers.iter().map(|answer| answer.id).collect();
    let events: Vec<DateTime<Utc>> = answers.iter().map(|answer| answer.event_ts).collect();
    let values = [kind.into(), ids.into(), events.into()];
    let rows = txn.query_all_raw(statement(&sql, values)).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// The trace of all notes, if they have one in common.
fn common_trace(claimed: &[Claimed]) -> Option<TraceContext> {
    let trace = |note: &Claimed| TraceContext::parse(note.traceparent.as_deref()?);
    let first = trace(claimed.first()?)?;
    let is_common =
        |note: &Claimed| trace(note).is_some_and(|other| other.trace_id() == first.trace_id());
    claimed.iter().all(is_common).then_some(first)
}

/// Pairs the notes with the answers; what the owner passed over stays owed.
fn sort_out<R>(claimed: Vec<Claimed>, fetched: Fetched<R>) -> (Vec<Answer<R>>, Vec<PutBack>) {
    let mut records: HashMap<Uuid, Option<R>> =
        fetched.missing.into_iter().map(|id| (id, None)).collect();
    records.extend(
        fetched
            .found
            .into_iter()
            .map(|(id, record)| (id, Some(record))),
    );
    let mut answers = Vec::with_capacity(claimed.len());
    let mut unanswered = Vec::new();
    for note in claimed {
        match records.remove(&note.entity_id) {
            Some(record) => answers.push(Answer {
                id: note.entity_id,
                event_ts: note.event_ts,
                record,
            }),
            None => unanswered.push(PutBack::after_failure(note)),
        }
    }
    answers.sort_by_key(|answer| answer.id);
    (answers, unanswered)
}

impl PutBack {
    /// One second, doubled with every failure of the note.
    fn after_failure(note: Claimed) -> Self {
        let doublings = u32::try_from(note.attempts).unwrap_or(0).min(10);
        let pause = Duration::from_secs(1 << doublings).min(LONGEST_PAUSE);
        Self { note, pause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(id: u128, attempts: i32) -> Claimed {
        Claimed {
            entity_id: Uuid::from_u128(id),
            event_ts: DateTime::from_timestamp(i64::from(attempts), 0).unwrap(),
            attempts,
            traceparent: None,
        }
    }

    #[test]
    fn a_fetch_goes_on_with_a_trace_only_when_all_its_notes_have_it() {
        let of = |trace: u128| {
            let mut note = note(1, 0);
            note.traceparent = Some(TraceContext::root(Uuid::from_u128(trace)).to_string());
            note
        };
        let one = TraceContext::root(Uuid::from_u128(7));
        assert_eq!(common_trace(&[of(7), of(7)]), Some(one));
        assert_eq!(common_trace(&[of(7), of(8)]), None);
        assert_eq!(common_trace(&[of(7), note(1, 0)]), None);
        assert_eq!(common_trace(&[]), None);
    }

    #[test]
    fn answers_carry_the_event_they_were_asked_for_and_what_is_passed_over_stays_owed() {
        let claimed = vec![note(3, 0), note(1, 0), note(2, 5)];
        let fetched = Fetched {
            found: vec![
                (Uuid::from_u128(3), "three"),
                (Uuid::from_u128(9), "not asked"),
            ],
            missing: vec![Uuid::from_u128(1)],
        };
        let (answers, unanswered) = sort_out(claimed, fetched);
        let found: Vec<_> = answers.iter().map(|a| (a.id.as_u128(), a.record)).collect();
        assert_eq!(found, [(1, None), (3, Some("three"))]);
        assert_eq!(unanswered, [PutBack::after_failure(note(2, 5))]);
    }

    #[test]
    fn the_pause_of_a_note_grows_to_a_minute() {
        let pauses =
            [0, 1, 5, 6, 1000].map(|attempts| PutBack::after_failure(note(1, attempts)).pause);
        assert_eq!(pauses.map(|pause| pause.as_secs()), [1, 2, 32, 60, 60]);
    }
}
