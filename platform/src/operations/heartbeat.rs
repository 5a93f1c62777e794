//! What each process says of itself every few seconds, so that any replica can show them all.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::activity::ConsumerReport;
use crate::{
    db::within,
    lifecycle::Lifecycle,
    outbox,
    peer::{PeerClient, PeerReport},
    rabbit::Broker,
    sources::Sources,
    sql::{execute, statement},
};

/// The pause between two reports.
const PAUSE: Duration = Duration::from_secs(5);

/// How long one report may take.
const LONGEST: Duration = Duration::from_secs(30);

/// A process that said nothing for so long is not shown as running.
const SILENT_AFTER: Duration = Duration::from_secs(20);

/// How long rows of processes that are gone are kept.
const KEPT: Duration = Duration::from_mins(10);

/// What one process knows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReplicaState {
    /// Its consumers.
    pub consumers: Vec<ConsumerReport>,
    /// Its calls to other services.
    pub peers: Vec<PeerReport>,
}

/// A process as it last reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replica {
    /// Its id, new at every start.
    pub replica: Uuid,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it last reported.
    pub seen_at: DateTime<Utc>,
    /// What it said.
    pub state: ReplicaState,
}

/// One minute of an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult, Serialize)]
pub struct Minute {
    /// Its beginning.
    pub minute: DateTime<Utc>,
    /// Messages that the broker confirmed within it.
    pub sent: i64,
    /// The most that were seen waiting.
    pub waiting: i64,
    /// When a message was last confirmed within it.
    pub last_sent_at: Option<DateTime<Utc>>,
}

/// What a process reports about.
#[derive(Debug)]
pub struct Heart {
    /// The own database.
    pub db: DatabaseConnection,
    /// Time and ids.
    pub sources: Sources,
    /// Its consumers and its relay.
    pub broker: Broker,
    /// Its clients of other services.
    pub peers: Vec<PeerClient>,
}

/// Reports until the process stops.
pub fn spawn(lifecycle: &Lifecycle, heart: Heart) {
    let stopping = lifecycle.stopping();
    lifecycle.spawn("heartbeat", async move {
        let (replica, started_at) = (heart.sources.new_id(), heart.sources.now());
        loop {
            if let Err(error) = within(LONGEST, heart.beat(replica, started_at)).await {
                tracing::debug!(%error, "the process cannot report how it is");
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stopping.cancelled() => return,
            }
        }
    });
}

impl Heart {
    async fn beat(&self, replica: Uuid, started_at: DateTime<Utc>) -> Result<(), DbErr> {
        let now = self.sources.now();
        let state = ReplicaState {
            consumers: self.broker.activity().consumers(),
            peers: self.peers.iter().map(PeerClient::report).collect(),
        };
        let state = serde_json::to_value(state).map_err(|error| DbErr::Json(error.to_string()))?;
        let report = "INSERT INTO replica_state (replica, started_at, seen_at, state) \
                      VALUES ($1, $2, $3, $4) ON CONFLICT (replica) DO UPDATE \
                      SET seen_at = excluded.seen_at, state = excluded.state";
        let values = [replica.into(), started_at.into(), now.into(), state.into()];
        execute(&self.db, report, values).await?;
        self.note_minute(now).await?;
        let forget = "DELETE FROM replica_state WHERE seen_at < $1";
        execute(&self.db, forget, [(now - KEPT).into()]).await?;
        let forget = "DELETE FROM outbox_minute WHERE minute < $1";
        execute(&self.db, forget, [(now - HOUR).into()])
            .await
            .map(drop)
    }

    /// Replicas add up what they sent; what waits is the same for all of them.
    async fn note_minute(&self, now: DateTime<Utc>) -> Result<(), DbErr> {
        let waiting = outbox::backlog(&self.db).await?.waiting;
        let sent = i64::try_from(self.broker.activity().take_sent()).unwrap_or(i64::MAX);
        let last_sent_at = (sent > 0).then_some(now);
        let sql = "INSERT INTO outbox_minute AS m (minute, sent, waiting, last_sent_at) \
                   VALUES (date_trunc('minute', $1::timestamptz), $2, $3, $4) \
                   ON CONFLICT (minute) DO UPDATE SET sent = m.sent + excluded.sent, \
                   waiting = greatest(m.waiting, excluded.waiting), \
                   last_sent_at = coalesce(excluded.last_sent_at, m.last_sent_at)";
        let values = [now.into(), sent.into(), waiting.into(), last_sent_at.into()];
        execute(&self.db, sql, values).await.map(drop)
    }
}

/// What the minutes cover.
pub(super) const HOUR: Duration = Duration::from_hours(1);

#[derive(Debug, FromQueryResult)]
struct ReplicaRow {
    replica: Uuid,
    started_at: DateTime<Utc>,
    seen_at: DateTime<Utc>,
    state: serde_json::Value,
}

/// The processes that reported lately, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn replicas(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
) -> Result<Vec<Replica>, DbErr> {
    let sql = "SELECT replica, started_at, seen_at, state FROM replica_state WHERE seen_at > $1 \
               ORDER BY started_at, replica";
    let values = [(now - SILENT_AFTER).into()];
    let rows = ReplicaRow::find_by_statement(statement(sql, values))
        .all(db)
        .await?;
    // A replica of another version may say more or less; what cannot be read is left out.
    let replica = |row: ReplicaRow| Replica {
        replica: row.replica,
        started_at: row.started_at,
        seen_at: row.seen_at,
        state: serde_json::from_value(row.state).unwrap_or_default(),
    };
    Ok(rows.into_iter().map(replica).collect())
}

/// The last hour of the outbox, oldest minute first; minutes nobody reported in are left out.
///
/// # Errors
/// Those of the database.
pub async fn minutes(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<Vec<Minute>, DbErr> {
    let sql = "SELECT minute, sent, waiting, last_sent_at FROM outbox_minute WHERE minute > $1 \
               ORDER BY minute";
    let values = [(now - HOUR).into()];
    Minute::find_by_statement(statement(sql, values))
        .all(db)
        .await
}
