//! Compares the caches of other services' data with their owners and repairs differences (DESIGN.md section 6).
//!
//! It writes no cache itself: a difference becomes a note of an owed fetch, so that repairs and events
//! take the same guarded way and a deletion in between wins.

use std::{collections::HashMap, fmt, future::Future, num::NonZeroU32, time::Duration};

use chrono::{DateTime, Utc};
use contracts::topology::MAX_BATCH_GET;
use sea_orm::{DatabaseConnection, DbErr, TransactionTrait};
use serde::Deserialize;
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    backoff::Backoff,
    db::within,
    errors::explain,
    fetch::{self, FetchError, Owed},
    lifecycle::Lifecycle,
    mass_deletion::{Alarm, Guard, Missing},
    signal::Signal,
    sources::Sources,
};

/// The shortest and the longest pause after a comparison that failed.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// How often a page is asked for again before the comparison is given up; with the pauses that takes a minute.
const PAGE_RETRIES: usize = 6;

/// How long one step may take at the own database.
const STEP_LIMIT: Duration = Duration::from_secs(30);

/// The pause between two pages, so that fetches find room beside a comparison: 10,000 records a second.
const BETWEEN_PAGES: Duration = Duration::from_millis(50);

/// The longest pause after an alarm, which so ends soon after somebody answered it.
const AFTER_ALARM: Duration = Duration::from_mins(10);

/// Section `[caches]`; `defaults.toml` says what each is for.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CachesConfig {
    /// Minutes between two comparisons.
    pub reconcile_minutes: NonZeroU32,
    /// Records that may always be found missing at once.
    pub max_missing: u32,
    /// The share of records that may be found missing at once.
    pub max_missing_percent: u32,
}

impl CachesConfig {
    /// The guard against mass deletion.
    #[must_use]
    pub const fn guard(&self) -> Guard {
        Guard {
            few: self.max_missing,
            percent: self.max_missing_percent,
        }
    }

    fn pause(&self) -> Duration {
        Duration::from_mins(self.reconcile_minutes.get().into())
    }
}

/// A cache of records that another service owns.
pub trait Cache: Send + Sync + 'static {
    /// The kind of its owed fetches.
    const KIND: &'static str;

    /// A record as its owner sends it.
    type Record: Send + Sync;

    /// The id of a record.
    fn id(record: &Self::Record) -> Uuid;

    /// Asks the owner for the records whose ids follow `after`, a page of them in the order of ids.
    ///
    /// # Errors
    /// [`FetchError`] when there was no answer.
    fn page(
        &self,
        after: Option<Uuid>,
    ) -> impl Future<Output = Result<Page<Self::Record>, FetchError>> + Send;

    /// The fetches that the differences of a page from the cache call for; each carries the newest event
    /// anybody knows of.
    ///
    /// # Errors
    /// Those of the database.
    fn differences(
        &self,
        db: &DatabaseConnection,
        records: &[Self::Record],
    ) -> impl Future<Output = Result<Vec<Owed>, DbErr>> + Send;

    /// The records that are not marked as deleted, each with its guard; none when the owner deletes nothing.
    ///
    /// # Errors
    /// Those of the database.
    fn living(
        &self,
        db: &DatabaseConnection,
    ) -> impl Future<Output = Result<HashMap<Uuid, DateTime<Utc>>, DbErr>> + Send;
}

/// A page of an owner's records.
#[derive(Debug)]
pub struct Page<R> {
    /// The records.
    pub records: Vec<R>,
    /// The id after which the next page begins; absent on the last one.
    pub next: Option<Uuid>,
}

/// The path of a page of `records`, as large as any owner answers.
#[must_use]
pub fn page_path(records: &str, after: Option<Uuid>) -> String {
    let after = after.map_or_else(String::new, |after| format!("&after={after}"));
    format!("{records}?limit={MAX_BATCH_GET}{after}")
}

/// Why a comparison was given up.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The owner did not answer.
    #[error("the records cannot be read from their owner")]
    Source(#[from] FetchError),
    /// The database failed.
    #[error("the cache cannot be read or written")]
    Database(#[from] DbErr),
    /// So many records are missing at their owner that the owner is to be doubted.
    #[error(transparent)]
    MassDeletion(#[from] Alarm),
}

/// What a comparison found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// Records that the owner has.
    pub seen: usize,
    /// Records that are unknown or different here; they will be fetched.
    pub different: usize,
    /// Records that are missing at the owner; they will be asked for and marked as deleted.
    pub missing: usize,
}

impl fmt::Display for Reconciliation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seen,
            different,
            missing,
        } = self;
        write!(
            f,
            "{seen} compared, {different} will be fetched, {missing} are gone"
        )
    }
}

/// Compares at start and then by the clock; `fetches` wakes the fetch job of these records.
pub fn spawn<C: Cache>(
    lifecycle: &Lifecycle,
    db: &DatabaseConnection,
    sources: &Sources,
    cache: C,
    config: CachesConfig,
    fetches: Signal,
) {
    let (db, sources) = (db.clone(), sources.clone());
    let stopping = lifecycle.stopping();
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, sources.rng());
    let comparing = async move {
        loop {
            let outcome = reconcile(&db, &sources, &cache, config.guard(), 0).await;
            fetches.wake();
            tell(C::KIND, &outcome);
            if let Err(ReconcileError::Source(_) | ReconcileError::Database(_)) = outcome {
                sleep(backoff.next_pause()).await;
                continue;
            }
            backoff.reset();
            let pause = config.pause();
            sleep(if outcome.is_ok() {
                pause
            } else {
                pause.min(AFTER_ALARM)
            })
            .await;
        }
    };
    lifecycle.spawn("reconciliation", async move {
        stopping.run_until_cancelled(comparing).await;
    });
}

/// Compares all records once. `accepted` is how many an administrator lets go, whatever the guard says.
///
/// # Errors
/// [`ReconcileError`]; what was noted until then stays noted.
pub async fn reconcile<C: Cache>(
    db: &DatabaseConnection,
    sources: &Sources,
    cache: &C,
    guard: Guard,
    accepted: u64,
) -> Result<Reconciliation, ReconcileError> {
    // Read first: what is created while the pages are read is then not taken for missing.
    let living = within(STEP_LIMIT, cache.living(db)).await?;
    let known = living.len();
    let mut unseen = living;
    let mut found = Reconciliation::default();
    let mut after = None;
    loop {
        let page = patiently(cache, after, sources).await?;
        let differences = within(STEP_LIMIT, cache.differences(db, &page.records)).await?;
        note::<C>(db, sources, &differences).await?;
        found.seen += page.records.len();
        found.different += differences.len();
        for record in &page.records {
            unseen.remove(&C::id(record));
        }
        let Some(next) = page.next else { break };
        after = Some(next);
        sleep(BETWEEN_PAGES).await;
    }
    found.missing = unseen.len();
    let missing = Missing {
        known: count(known),
        shown: count(found.seen),
        missing: count(found.missing),
    };
    guard.check(missing, accepted)?;
    let gone: Vec<Owed> = unseen
        .into_iter()
        .map(|(id, event_ts)| Owed { id, event_ts })
        .collect();
    note::<C>(db, sources, &gone).await?;
    Ok(found)
}

/// Asks for a page several times: it may be one of many thousand, and beginning anew would ask for all of them.
async fn patiently<C: Cache>(
    cache: &C,
    after: Option<Uuid>,
    sources: &Sources,
) -> Result<Page<C::Record>, FetchError> {
    let mut pauses = Backoff::new(PAUSES.0, PAUSES.1, sources.rng());
    for _ in 0..PAGE_RETRIES {
        match cache.page(after).await {
            Ok(page) => return Ok(page),
            Err(error) => {
                let pause = pauses.next_pause();
                sleep(error.retry_after.map_or(pause, |asked| asked.max(pause))).await;
            }
        }
    }
    cache.page(after).await
}

async fn note<C: Cache>(
    db: &DatabaseConnection,
    sources: &Sources,
    owed: &[Owed],
) -> Result<(), DbErr> {
    let noting = async {
        let txn = db.begin().await?;
        fetch::note(&txn, C::KIND, owed, sources.now()).await?;
        txn.commit().await
    };
    within(STEP_LIMIT, noting).await
}

/// Tells the log how a comparison ended, and the metrics of an alarm until a comparison takes it back.
fn tell(kind: &'static str, outcome: &Result<Reconciliation, ReconcileError>) {
    let missing = metrics::gauge!("task_exchange_cache_missing", "kind" => kind);
    match outcome {
        Ok(found) => {
            missing.set(0);
            tracing::info!(
                kind,
                found.seen,
                found.different,
                found.missing,
                "a cache was compared with its owner"
            );
        }
        Err(ReconcileError::MassDeletion(alarm)) => {
            missing.set(u32::try_from(alarm.missing).unwrap_or(u32::MAX));
            tracing::error!(kind, %alarm, "the owner of cached records is doubted");
        }
        Err(error) => {
            let error = explain(error);
            tracing::warn!(kind, error, "a cache could not be compared with its owner");
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
