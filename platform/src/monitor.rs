//! Numbers that nobody meets in passing: what waits in tables and in the broker's queues, read now and
//! then by every replica.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::topology::CONSUMER_QUEUES;
use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::sleep;

use crate::{
    db::within,
    errors::explain,
    fetch,
    lifecycle::Lifecycle,
    outbox, parked,
    rabbit::{self, Broker, LinkError},
    sources::Sources,
};

/// The pause between two looks; alarms look no closer.
const PAUSE: Duration = Duration::from_secs(15);

/// How long one look at the tables may take.
const LONGEST: Duration = Duration::from_secs(30);

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Monitor {
    /// The service's database.
    pub db: DatabaseConnection,
    /// The broker, as the service sees it.
    pub broker: Broker,
    /// Time.
    pub sources: Sources,
    /// The kinds of records that the service fetches.
    pub kinds: &'static [&'static str],
}

/// Looks until the process stops.
pub fn spawn(lifecycle: &Lifecycle, monitor: Monitor) {
    let stopping = lifecycle.stopping();
    lifecycle.spawn("monitor", async move {
        let looking = async {
            loop {
                monitor.look().await;
                sleep(PAUSE).await;
            }
        };
        stopping.run_until_cancelled(looking).await;
    });
}

impl Monitor {
    async fn look(&self) {
        if let Err(error) = within(LONGEST, self.look_at_tables()).await {
            tracing::debug!(error = explain(&error), "what waits in tables is not known");
        }
        if let Err(error) = self.look_at_queues().await {
            tracing::debug!(error = explain(&error), "what waits in queues is not known");
        }
    }

    async fn look_at_tables(&self) -> Result<(), DbErr> {
        let backlog = outbox::backlog(&self.db).await?;
        metrics::gauge!("task_exchange_outbox_waiting").set(number(backlog.waiting));
        metrics::gauge!("task_exchange_outbox_oldest_seconds").set(self.age(backlog.oldest));
        metrics::gauge!("task_exchange_outbox_dead").set(number(backlog.dead));
        for kind in self.kinds.iter().copied() {
            let backlog = fetch::backlog(&self.db, kind).await?;
            metrics::gauge!("task_exchange_fetch_owed", "kind" => kind)
                .set(number(backlog.waiting));
            metrics::gauge!("task_exchange_fetch_oldest_seconds", "kind" => kind)
                .set(self.age(backlog.oldest));
        }
        let parked = parked::count(&self.db).await?;
        let service = self.broker.service();
        for queue in CONSUMER_QUEUES
            .iter()
            .filter(|queue| queue.consumer == service)
        {
            let of_queue = parked.iter().filter(|parked| parked.queue == queue.name);
            let waiting: i64 = of_queue.map(|parked| parked.messages).sum();
            metrics::gauge!("task_exchange_parked_waiting", "queue" => queue.name)
                .set(number(waiting));
        }
        Ok(())
    }

    async fn look_at_queues(&self) -> Result<(), LinkError> {
        for depth in rabbit::depths(&self.broker).await? {
            let queue = depth.queue;
            metrics::gauge!("task_exchange_queue_messages", "queue" => queue.clone())
                .set(depth.messages);
            metrics::gauge!("task_exchange_queue_consumers", "queue" => queue).set(depth.consumers);
        }
        Ok(())
    }

    /// Seconds since then, or none when nothing waits.
    fn age(&self, since: Option<DateTime<Utc>>) -> f64 {
        let age = since.map(|since| self.sources.now() - since);
        age.and_then(|age| age.to_std().ok())
            .unwrap_or_default()
            .as_secs_f64()
    }
}

/// Counts beyond 32 bits are shown as the largest one.
fn number(count: i64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
