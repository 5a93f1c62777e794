//! How one service is at a moment: everything its part of the operations page says.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::topology::{CONSUMER_QUEUES, RETRY_DELAYS_MS, dead_queue, retry_queue, unrouted};
use sea_orm::{DatabaseConnection, DbErr};
use serde::Serialize;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    activity::Phase,
    audit::{self, AuditRow},
    copies::{self, CopyState, LocalCopy},
    dead::{self, DeadRow},
    heartbeat::{self, Minute, Replica},
};
use crate::{
    outbox,
    parked::{self, Cause},
    rabbit::{self, Broker, Depth},
};

/// How long the broker may take to tell how full its queues are.
const PATIENCE: Duration = Duration::from_secs(2);

/// The commands that the overview shows.
const AUDITED: u32 = 10;

/// A message that waits longer is late.
const LATE_AFTER: TimeDelta = TimeDelta::seconds(30);

/// One service at a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// The moment.
    pub at: DateTime<Utc>,
    /// What waits for the broker.
    pub outbox: OutboxNow,
    /// Messages that the broker refused too often.
    pub refused: Vec<DeadRow>,
    /// The queues it reads.
    pub queues: Vec<QueueNow>,
    /// Messages that it sent and no queue wanted; absent when the broker does not say.
    pub unrouted: Option<u32>,
    /// How many messages wait for a person.
    pub parked_messages: i64,
    /// For which causes.
    pub parked: Vec<Cause>,
    /// Copies of other services' data.
    pub copies: Vec<CopyState>,
    /// Its processes.
    pub replicas: Vec<Replica>,
    /// What was done about all that lately.
    pub audit: Vec<AuditRow>,
}

/// An outbox and its last hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutboxNow {
    /// Messages that the broker has not confirmed.
    pub waiting: i64,
    /// When the oldest of them happened.
    pub oldest: Option<DateTime<Utc>>,
    /// Messages that it refused too often.
    pub dead: i64,
    /// Messages confirmed in the last full minute and this one.
    pub sent_lately: i64,
    /// The seconds that these took.
    pub lately_seconds: i64,
    /// When one was last confirmed within the hour.
    pub last_sent_at: Option<DateTime<Utc>>,
    /// Minute by minute.
    pub minutes: Vec<Minute>,
}

/// A queue with those around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueNow {
    /// The queue.
    pub queue: &'static str,
    /// How full it is; absent when the broker does not say.
    pub depth: Option<DepthNow>,
    /// The processes that do not take its messages at the moment.
    pub halted: Vec<Halted>,
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DepthNow {
    /// Messages that wait in it.
    pub ready: u32,
    /// Messages that wait to be tried again.
    pub retrying: u32,
    /// Messages that the broker gave up on and nobody parked yet.
    pub dead: u32,
    /// Consumers of all replicas.
    pub consumers: u32,
}

/// A process that does not take messages of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Halted {
    /// The process.
    pub replica: Uuid,
    /// Whether it pauses by itself or the broker is away.
    pub phase: Phase,
    /// Why, in words.
    pub why: Option<String>,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl OutboxNow {
    /// Whether messages wait for longer than they should.
    #[must_use]
    pub fn is_late(&self, now: &DateTime<Utc>) -> bool {
        self.oldest.is_some_and(|oldest| *now - oldest > LATE_AFTER)
    }
}

/// Looks at everything; what only the broker knows is left out when it does not answer soon.
///
/// # Errors
/// Those of the database.
pub async fn take(
    db: &DatabaseConnection,
    broker: &Broker,
    copies: &[LocalCopy],
    now: DateTime<Utc>,
) -> Result<Snapshot, DbErr> {
    let depths = timeout(PATIENCE, rabbit::depths(broker));
    let (depths, kept) = tokio::join!(depths, read(db, copies, now));
    let (mut snapshot, replicas) = kept?;
    let depths = match depths {
        Ok(Ok(depths)) => depths,
        Ok(Err(error)) => {
            tracing::debug!(%error, "the broker does not say how full queues are");
            Vec::new()
        }
        Err(_elapsed) => Vec::new(),
    };
    let own = CONSUMER_QUEUES
        .into_iter()
        .filter(|queue| queue.consumer == broker.service());
    let unrouted = unrouted(broker.service());
    snapshot.unrouted = find(&unrouted, &depths).map(|depth| depth.messages);
    snapshot.queues = own
        .map(|queue| QueueNow {
            queue: queue.name,
            depth: depth_of(queue.name, &depths),
            halted: halted(queue.name, &replicas),
        })
        .collect();
    snapshot.replicas = replicas;
    Ok(snapshot)
}

async fn read(
    db: &DatabaseConnection,
    copies: &[LocalCopy],
    now: DateTime<Utc>,
) -> Result<(Snapshot, Vec<Replica>), DbErr> {
    let backlog = outbox::backlog(db).await?;
    let minutes = heartbeat::minutes(db, now).await?;
    let counts = parked::count(db).await?;
    let lately: Vec<&Minute> = minutes
        .iter()
        .filter(|minute| now - minute.minute < TimeDelta::minutes(2))
        .collect();
    let since = lately.first().map_or(now, |minute| minute.minute);
    let snapshot = Snapshot {
        at: now,
        outbox: OutboxNow {
            waiting: backlog.waiting,
            oldest: backlog.oldest,
            dead: backlog.dead,
            sent_lately: lately.iter().map(|minute| minute.sent).sum(),
            lately_seconds: (now - since).num_seconds().max(1),
            last_sent_at: minutes
                .iter()
                .filter_map(|minute| minute.last_sent_at)
                .max(),
            minutes,
        },
        refused: dead::list(db).await?,
        queues: Vec::new(),
        unrouted: None,
        parked_messages: counts.iter().map(|count| count.messages).sum(),
        parked: parked::causes(db).await?,
        copies: copies::states(db, copies).await?,
        replicas: Vec::new(),
        audit: audit::page(db, None, AUDITED).await?,
    };
    Ok((snapshot, heartbeat::replicas(db, now).await?))
}

fn find<'a>(queue: &str, depths: &'a [Depth]) -> Option<&'a Depth> {
    depths.iter().find(|depth| depth.queue == queue)
}

fn depth_of(queue: &str, depths: &[Depth]) -> Option<DepthNow> {
    let main = find(queue, depths)?;
    let retrying = RETRY_DELAYS_MS
        .into_iter()
        .filter_map(|delay_ms| find(&retry_queue(queue, delay_ms), depths))
        .map(|depth| depth.messages)
        .fold(0, u32::saturating_add);
    Some(DepthNow {
        ready: main.messages,
        retrying,
        dead: find(&dead_queue(queue), depths).map_or(0, |depth| depth.messages),
        consumers: main.consumers,
    })
}

fn halted(queue: &str, replicas: &[Replica]) -> Vec<Halted> {
    let halted = |replica: &Replica| {
        let report = replica
            .state
            .consumers
            .iter()
            .find(|report| report.queue == queue && report.phase != Phase::Consuming)?;
        Some(Halted {
            replica: replica.replica,
            phase: report.phase,
            why: report.why.clone(),
            since: report.since,
        })
    };
    replicas.iter().filter_map(halted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::{activity::ConsumerReport, heartbeat::ReplicaState};

    fn depth(queue: &str, messages: u32) -> Depth {
        Depth {
            queue: queue.to_owned(),
            messages,
            consumers: 2,
        }
    }

    #[test]
    fn a_queue_is_shown_with_what_waits_around_it() {
        let depths = [
            depth("tasks.auth", 3),
            depth("tasks.auth.retry.1000", 1),
            depth("tasks.auth.retry.5000", 4),
            depth("tasks.auth.dead", 6),
            depth("tasks.finance", 9),
        ];
        let expected = DepthNow {
            ready: 3,
            retrying: 5,
            dead: 6,
            consumers: 2,
        };
        assert_eq!(depth_of("tasks.auth", &depths), Some(expected));
        assert_eq!(depth_of("finance.auth", &depths), None);
    }

    #[test]
    fn only_processes_that_take_nothing_are_halted() {
        let replica = |phase| Replica {
            replica: Uuid::nil(),
            started_at: DateTime::UNIX_EPOCH,
            seen_at: DateTime::UNIX_EPOCH,
            state: ReplicaState {
                consumers: vec![ConsumerReport {
                    queue: "tasks.auth".to_owned(),
                    phase,
                    why: None,
                    since: DateTime::UNIX_EPOCH,
                }],
                peers: Vec::new(),
            },
        };
        let replicas = [replica(Phase::Consuming), replica(Phase::Paused)];
        let halted = |queue| halted(queue, &replicas).len();
        assert_eq!((halted("tasks.auth"), halted("tasks.finance")), (1, 0));
    }
}
