//! The accounts at the end: every id, every cent, and the order in which messages came to the broker.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use contracts::topology::Publisher;
use platform::{
    archive::{ArchiveReader, Start},
    sources::Sources,
};
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    chain::{Chain, End},
    sent::Movement,
};
use crate::support::books;

/// The messages of the board that finance has applied, ignored or parked.
pub(super) const HANDLED: &str = "SELECT message_id FROM inbox WHERE consumer = 'finance.tasks'";

/// The messages of finance that tasks has handled.
pub(super) const TOLD: &str = "SELECT message_id FROM inbox WHERE consumer = 'tasks.finance'";

/// The messages that the broker confirmed, as their sender says.
const NOTED_AS_SENT: &str = "SELECT message_id FROM sent_message";

/// Those that wait for a person.
const PARKED: &str = "SELECT message_id::uuid FROM parked_message \
                      WHERE queue = 'finance.tasks' AND state = 'parked'";

/// Those of which the inbox says so.
const NOTED_AS_PARKED: &str =
    "SELECT message_id FROM inbox WHERE consumer = 'finance.tasks' AND outcome = 'parked'";

pub(super) async fn ids(database: &PgPool, query: &'static str) -> Result<BTreeSet<Uuid>> {
    let found: Vec<Uuid> = sqlx::query_scalar(query).fetch_all(database).await?;
    Ok(found.into_iter().collect())
}

/// Task, fee and reward, by task.
async fn prices(database: &PgPool, task: &str, table: &str) -> Result<Vec<(Uuid, i64, i64)>> {
    let query = format!("SELECT {task}, fee_cents, reward_cents FROM {table} ORDER BY 1");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(query))
        .fetch_all(database)
        .await?)
}

impl Chain {
    /// Sent = applied + ignored + parked, and nothing twice.
    pub(super) async fn account(&self) -> Result<()> {
        let finance = &self.finance_data.owned;
        ensure!(
            ids(finance, HANDLED).await? == self.sent.ids,
            "other messages were handled than were sent"
        );
        ensure!(
            ids(finance, PARKED).await? == ids(finance, NOTED_AS_PARKED).await?,
            "a message is parked and was applied, or is noted as parked and is not"
        );
        let own: BTreeSet<Uuid> = self.sent.of_tasks.iter().flatten().copied().collect();
        ensure!(
            ids(&self.tasks_data.owned, NOTED_AS_SENT).await? == own,
            "tasks has noted other messages as sent than it wrote"
        );
        ensure!(self.movements().await? == self.sent.movements.iter().cloned().collect::<Vec<_>>());
        books::check(finance).await?;
        let told = ids(&self.tasks_data.owned, TOLD).await?;
        ensure!(
            told.len() == self.sent.tasks.len(),
            "{} prices were told of {} tasks",
            told.len(),
            self.sent.tasks.len()
        );
        ensure!(
            ids(finance, NOTED_AS_SENT).await? == told,
            "finance has noted other messages as sent than tasks was told"
        );
        ensure!(
            prices(finance, "task_uuid", "task_price").await?
                == prices(&self.tasks_data.owned, "task_id", "price_cache").await?,
            "the prices of both sides differ"
        );
        let cached: BTreeSet<Uuid> = ids(finance, "SELECT task_uuid FROM task_cache").await?;
        ensure!(
            cached == self.sent.tasks,
            "other tasks are cached than were filed"
        );
        self.account_of_people().await?;
        for data in [&self.tasks_data, &self.finance_data] {
            ensure!(
                data.count("outbox_dead", "true").await? == 0,
                "messages were given up"
            );
        }
        let remaining = self.broker.remaining().await?;
        ensure!(remaining.is_empty(), "messages remain: {remaining:?}");
        Ok(())
    }

    /// Both services have heard all that was said of people, and know whom it was about.
    async fn account_of_people(&self) -> Result<()> {
        let said: BTreeSet<Uuid> = self.sent.people.keys().copied().collect();
        let joined: BTreeSet<Uuid> = self.sent.people.values().copied().collect();
        for end in End::BOTH {
            let (consumer, data) = self.hears_of_people(end);
            let heard: Vec<Uuid> =
                sqlx::query_scalar("SELECT message_id FROM inbox WHERE consumer = $1")
                    .bind(consumer)
                    .fetch_all(&data.owned)
                    .await?;
            ensure!(
                BTreeSet::from_iter(heard) == said,
                "{consumer}: other messages were handled than were sent"
            );
            ensure!(
                ids(&data.owned, "SELECT user_id FROM user_cache").await? == joined,
                "{consumer}: others are known than have joined"
            );
        }
        Ok(())
    }

    /// Compares the archive of tasks with what was written.
    pub(super) async fn in_order(&self) -> Result<()> {
        let reader = self.broker.of(Publisher::Finance, &Sources::system())?;
        let link = reader.consuming();
        let mut archive = ArchiveReader::open(link, Publisher::Tasks, Start::First).await?;
        let mut first_at = BTreeMap::new();
        while let Some(batch) = archive.next(500).await? {
            for read in batch {
                let id = read.message.message_id;
                first_at.entry(id).or_insert(read.offset);
            }
        }
        for messages in &self.sent.of_tasks {
            let places: Vec<_> = messages.iter().map(|id| first_at.get(&Some(*id))).collect();
            ensure!(
                places.is_sorted() && places.iter().all(Option::is_some),
                "messages {messages:?} were written in this order and stand at {places:?}"
            );
        }
        Ok(())
    }

    /// Every transfer, in order; one that was booked twice is there twice.
    async fn movements(&self) -> Result<Vec<Movement>> {
        let query = "SELECT kind, task_uuid, employee, event_at FROM transfer";
        let mut found: Vec<Movement> = sqlx::query_as(query)
            .fetch_all(&self.finance_data.owned)
            .await?;
        found.sort_unstable();
        Ok(found)
    }
}
