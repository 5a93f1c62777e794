//! Removes rows whose time is over, a batch at a time, so that no table grows for ever and no clean-up
//! holds anybody up.
//!
//! How long each table keeps its rows, and which keep them for ever and why, is told in
//! `docs/operations.md`; a test compares that page with the databases.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::time::sleep;

use crate::{
    conciliation, db::within, errors::explain, inbox, lifecycle::Lifecycle, parked, replay,
    sources::Sources, sql::execute,
};

/// The most rows removed by one statement.
pub const BATCH: i64 = 10_000;

/// The pause between two clean-ups.
const PAUSE: Duration = Duration::from_mins(10);

/// How long one table may take; the next clean-up goes on where this one was.
const LONGEST: Duration = Duration::from_mins(5);

/// A table whose rows are kept for a while.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// Its name.
    pub table: &'static str,
    /// How long a row is kept after its time.
    pub time: Duration,
    /// Removes at most `$2` rows whose time is before `$1`.
    pub sql: &'static str,
}

impl Kept {
    /// Removes every row whose time is over by `now`, and answers how many they were.
    ///
    /// # Errors
    /// Those of the database; what was removed stays removed.
    pub async fn prune(&self, db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<u64, DbErr> {
        let cutoff = now - self.time;
        let mut removed = Removed::from(self.table);
        loop {
            let values = [cutoff.into(), BATCH.into()];
            let rows = execute(db, self.sql, values).await?;
            if removed.batch(rows) == Then::Done {
                return Ok(removed.rows());
            }
        }
    }
}

/// What a clean-up of one table has removed so far.
#[derive(Debug)]
pub(crate) struct Removed {
    table: &'static str,
    rows: u64,
}

/// What follows a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It was full: there may be more.
    More,
    /// Nothing is left.
    Done,
}

impl Removed {
    pub(crate) fn from(table: &'static str) -> Self {
        Self { table, rows: 0 }
    }

    /// Counts a batch.
    pub(crate) fn batch(&mut self, rows: u64) -> Then {
        self.rows += rows;
        metrics::counter!("task_exchange_pruned_rows_total", "table" => self.table).increment(rows);
        if i64::try_from(rows).is_ok_and(|rows| rows < BATCH) {
            Then::Done
        } else {
            Then::More
        }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }
}

/// What is removed by time alone.
const KEPT: [Kept; 4] = [
    parked::KEPT,
    conciliation::SENT_KEPT,
    conciliation::RESULTS_KEPT,
    replay::KEPT,
];

/// Cleans up the tables that every service has until the process stops; every replica may do it.
pub fn spawn(lifecycle: &Lifecycle, db: DatabaseConnection, sources: Sources) {
    let stopping = lifecycle.stopping();
    lifecycle.spawn("clean-up", async move {
        let cleaning = async {
            loop {
                clean(&db, sources.now()).await;
                sleep(PAUSE).await;
            }
        };
        stopping.run_until_cancelled(cleaning).await;
    });
}

async fn clean(db: &DatabaseConnection, now: DateTime<Utc>) {
    note(inbox::TABLE, within(LONGEST, inbox::prune(db, now)).await);
    for kept in KEPT {
        note(kept.table, within(LONGEST, kept.prune(db, now)).await);
    }
}

fn note(table: &'static str, outcome: Result<u64, DbErr>) {
    match outcome {
        Ok(0) => {}
        Ok(rows) => tracing::info!(table, rows, "rows were removed, their time is over"),
        Err(error) => tracing::warn!(table, error = explain(&error), "old rows stay for now"),
    }
}
