//! Being the one process of a service that relays: a lock that dies with its connection.

use std::{future::Future, str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::{RelayError, gaps::Gaps, rows::Row};
use crate::{config::Secret, db::SESSION, outbox::is_for_everybody_sql};

/// The advisory lock of the process that relays; whoever holds it keeps all others from it. Any
/// number does that nothing else in the database uses.
pub const LEAD_LOCK: i64 = 0x7265_6c61_7900;

/// How often a process that does not lead tries to. Waiting in `pg_advisory_lock` would hold a
/// snapshot and with it every dead row, so it asks instead.
const CANDIDATE_PAUSE: Duration = Duration::from_millis(250);

/// How long any statement may take before the lead is given up.
const STEP_LIMIT: Duration = Duration::from_secs(15);

/// After so many refusals, about an hour of growing pauses, a message goes to `outbox_dead`.
const MOST_ATTEMPTS: i16 = 20;

/// The longest pause after a refusal.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

const COLUMNS: &str = "o.position, o.message_id, o.exchange, o.routing_key, o.entity_id, \
                       o.schema_version, o.occurred_at, o.traceparent, o.body, o.headers::text AS headers, \
                       o.next_at";

/// Reads the URL once, so that a bad one is refused at start.
pub(super) fn options(url: &Secret) -> Result<PgConnectOptions, sqlx::Error> {
    let options = PgConnectOptions::from_str(url.expose())?;
    Ok(options
        .application_name("relay")
        .options(SESSION)
        .options([("statement_timeout", "15s")]))
}

/// The lead. Reading goes over the connection that holds the lock, so losing it is noticed at once.
#[derive(Debug)]
pub(super) struct Lead {
    connection: PgConnection,
    /// The highest position read so far; the sweep sets it back.
    watermark: i64,
    gaps: Gaps,
}

impl Lead {
    /// Waits until this process leads.
    pub(super) async fn acquire(options: &PgConnectOptions) -> Result<Self, RelayError> {
        let mut connection = in_time(PgConnection::connect_with(options)).await?;
        let sql = "SELECT pg_try_advisory_lock($1)";
        loop {
            let attempt = sqlx::query_scalar(sql)
                .bind(LEAD_LOCK)
                .fetch_one(&mut connection);
            if in_time(attempt).await? {
                return Ok(Self {
                    connection,
                    watermark: 0,
                    gaps: Gaps::default(),
                });
            }
            sleep(CANDIDATE_PAUSE).await;
        }
    }

    /// Reads rows in order: first those that were committed behind our back, then what is new, `most` of
    /// each.
    ///
    /// What is new is read first, so that every earlier row of its records is committed when what was
    /// passed over is read. As long as there is more of that than fits, what is new has to wait.
    pub(super) async fn fetch(&mut self, most: u16) -> Result<Vec<Row>, RelayError> {
        let now = Instant::now();
        let new = self.fetch_new(most).await?;
        let mut rows = self.fetch_gaps(now, most).await?;
        if rows.len() < usize::from(most) {
            if let Some(last) = new.last() {
                self.watermark = last.position;
            }
            rows.extend(new);
        }
        for row in &rows {
            self.gaps.saw(row.position, now);
        }
        Ok(rows)
    }

    async fn fetch_new(&mut self, most: u16) -> Result<Vec<Row>, RelayError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM outbox o WHERE o.position > $1 ORDER BY o.position LIMIT $2"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql))
            .bind(self.watermark)
            .bind(i64::from(most));
        in_time(query.fetch_all(&mut self.connection)).await
    }

    async fn fetch_gaps(&mut self, now: Instant, most: u16) -> Result<Vec<Row>, RelayError> {
        let (firsts, lasts) = self.gaps.bounds(now);
        if firsts.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM unnest($1::bigint[], $2::bigint[]) AS g(first, last) \
             JOIN outbox o ON o.position BETWEEN g.first AND g.last \
             WHERE o.position <= $3 ORDER BY o.position LIMIT $4"
        );
        let query = sqlx::query_as(AssertSqlSafe(sql))
            .bind(firsts)
            .bind(lasts)
            .bind(self.watermark)
            .bind(i64::from(most));
        in_time(query.fetch_all(&mut self.connection)).await
    }

    /// Starts reading from the beginning; only when nothing read before is still under way.
    pub(super) fn rewind(&mut self) {
        self.watermark = 0;
    }
}

/// Removes and marks rows, beside the reading.
#[derive(Debug)]
pub(super) struct Cleaner {
    connection: PgConnection,
}

/// A row that the broker did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) position: i64,
    pub(super) entity_id: Uuid,
    pub(super) reason: &'static str,
}

impl Cleaner {
    pub(super) async fn connect(options: &PgConnectOptions) -> Result<Self, RelayError> {
        let connection = in_time(PgConnection::connect_with(options)).await?;
        Ok(Self { connection })
    }

    /// Removes rows that the broker confirmed, and notes in the same statement what was said to the world;
    /// what went to the service's own queues was said by somebody else.
    pub(super) async fn remove(&mut self, positions: Vec<i64>) -> Result<(), RelayError> {
        if positions.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "WITH gone AS (DELETE FROM outbox WHERE position = ANY($1) \
             RETURNING message_id, routing_key, exchange) \
             INSERT INTO sent_message (message_id, routing_key) \
             SELECT message_id, routing_key FROM gone WHERE {}",
            is_for_everybody_sql()
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(positions);
        in_time(query.execute(&mut self.connection)).await.map(drop)
    }

    /// Notes refusals; rows that were refused too often move to `outbox_dead`. Returns those.
    pub(super) async fn note_refusals(
        &mut self,
        refused: &[Refused],
        now: DateTime<Utc>,
    ) -> Result<Vec<i64>, RelayError> {
        let positions: Vec<i64> = refused.iter().map(|row| row.position).collect();
        let reasons: Vec<&str> = refused.iter().map(|row| row.reason).collect();
        let longest = i64::try_from(LONGEST_PAUSE.as_secs()).unwrap_or(i64::MAX);
        let note = "UPDATE outbox o SET attempts = o.attempts + 1, last_error = r.reason, \
                    next_at = $3 + make_interval(secs => least(power(2, o.attempts), $4::bigint)) \
                    FROM unnest($1::bigint[], $2::text[]) AS r(position, reason) \
                    WHERE o.position = r.position";
        let bury = "WITH dead AS (DELETE FROM outbox WHERE position = ANY($1) AND attempts >= $2 \
                    RETURNING position, message_id, exchange, routing_key, entity_id, schema_version, \
                    occurred_at, traceparent, body, headers, attempts, last_error) \
                    INSERT INTO outbox_dead (position, message_id, exchange, routing_key, entity_id, \
                    schema_version, occurred_at, traceparent, body, headers, attempts, last_error, died_at) \
                    SELECT dead.*, $3 FROM dead RETURNING position";
        let work = async {
            let mut txn = self.connection.begin().await?;
            let update = sqlx::query(note)
                .bind(&positions)
                .bind(reasons)
                .bind(now)
                .bind(longest);
            update.execute(&mut *txn).await?;
            let dead = sqlx::query_scalar(bury)
                .bind(&positions)
                .bind(MOST_ATTEMPTS)
                .bind(now);
            let dead = dead.fetch_all(&mut *txn).await?;
            txn.commit().await?;
            Ok(dead)
        };
        in_time(work).await
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, RelayError> {
    match timeout(STEP_LIMIT, work).await {
        Ok(outcome) => outcome.map_err(RelayError::Database),
        Err(_elapsed) => Err(RelayError::DatabaseSilent),
    }
}
