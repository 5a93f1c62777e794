//! A consumer of `finance.tasks` whose handler fails as told, on a real broker and a real database.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use contracts::{
    Message as _,
    tasks::TaskAssigned,
    topology::{ConsumerQueue, FINANCE_TASKS, Publisher},
};
use migrations::Database;
use platform::{
    consumer::{
        self, BatchHandler, ConsumerContext, ConsumerOptions, HandlerError, Incoming, Verdict,
    },
    db::DatabaseConfig,
    lifecycle::Lifecycle,
    rabbit::Broker,
    sources::Sources,
    sql::execute,
};
use sea_orm::{DatabaseConnection, DatabaseTransaction};
use uuid::Uuid;

use crate::support::{
    broker::TestBroker,
    builders::{assigned, id},
    database::TestDatabase,
    waiting::until,
};

/// A database, a broker, and a handler between them; nothing runs yet.
pub(super) struct Bench {
    pub(super) database: TestDatabase,
    pub(super) broker: TestBroker,
    pub(super) conduct: Conduct,
    pub(super) sources: Sources,
    db: DatabaseConnection,
}

/// How the handler behaves; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Conduct(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_away: AtomicBool,
    asked_while_away: AtomicUsize,
    failing: Mutex<HashSet<Uuid>>,
    batches: Mutex<Vec<usize>>,
}

impl Conduct {
    /// Something that every message needs does not answer from now on.
    pub(super) fn go_away(&self) {
        self.0.is_away.store(true, Ordering::SeqCst);
    }

    /// It answers again.
    pub(super) fn come_back(&self) {
        self.0.is_away.store(false, Ordering::SeqCst);
    }

    /// How often it did not answer.
    pub(super) fn asked_while_away(&self) -> usize {
        self.0.asked_while_away.load(Ordering::SeqCst)
    }

    /// Messages about `task` fail from now on.
    pub(super) fn fail(&self, task: Uuid) {
        self.0.failing.lock().expect("no panic").insert(task);
    }

    /// Messages about `task` succeed again.
    pub(super) fn heal(&self, task: Uuid) {
        self.0.failing.lock().expect("no panic").remove(&task);
    }

    /// How many messages it was handed at a time so far.
    pub(super) fn batches(&self) -> Vec<usize> {
        self.0.batches.lock().expect("no panic").clone()
    }

    fn judge(&self, tasks: &[Uuid]) -> Result<(), HandlerError> {
        if self.0.is_away.load(Ordering::SeqCst) {
            self.0.asked_while_away.fetch_add(1, Ordering::SeqCst);
            return Err(HandlerError::Unavailable(
                "what every message needs".to_owned(),
            ));
        }
        let failing = self.0.failing.lock().expect("no panic");
        if tasks.iter().any(|task| failing.contains(task)) {
            return Err(HandlerError::failed("told to fail"));
        }
        Ok(())
    }
}

impl BatchHandler for Conduct {
    fn queue(&self) -> ConsumerQueue {
        FINANCE_TASKS
    }

    fn keys(&self) -> &'static [&'static str] {
        &[TaskAssigned::KEY]
    }

    /// The effect of a message is a price of its task, of which the database takes only one.
    async fn handle(
        &self,
        txn: &DatabaseTransaction,
        messages: &[&Incoming],
    ) -> Result<Vec<Verdict>, HandlerError> {
        let tasks: Vec<Uuid> = messages
            .iter()
            .map(|message| message.decode::<TaskAssigned>().map(|body| body.task_uuid))
            .collect::<Result<_, _>>()
            .map_err(HandlerError::failed)?;
        self.0.batches.lock().expect("no panic").push(tasks.len());
        self.judge(&tasks)?;
        let sql = "INSERT INTO task_price SELECT task, 1000, 2000, now() FROM unnest($1::uuid[]) AS t(task)";
        execute(txn, sql, [tasks.into()]).await?;
        Ok(vec![Verdict::Applied; messages.len()])
    }
}

impl Bench {
    pub(super) async fn create() -> Result<Self> {
        let database = TestDatabase::create(Database::Finance).await?;
        Ok(Self {
            db: database.connect().await?,
            broker: TestBroker::create().await?,
            conduct: Conduct::default(),
            sources: Sources::system(),
            database,
        })
    }

    /// What the service would connect to its database with.
    pub(super) fn database_config(&self) -> DatabaseConfig {
        self.database.config()
    }

    /// Connections of their own, as a process has them.
    pub(super) fn connections(&self) -> Result<Broker> {
        self.broker.of(Publisher::Finance, &self.sources)
    }

    /// Consumes until the answer is stopped; a batch that meets something away is given back at once.
    pub(super) fn consume(&self) -> Result<Lifecycle> {
        self.consume_lingering(ConsumerOptions::default().linger)
    }

    /// The same, with batches that wait so long for more messages.
    pub(super) fn consume_lingering(&self, linger: Duration) -> Result<Lifecycle> {
        Ok(self.consume_over(&self.connections()?, linger))
    }

    /// The same over these connections.
    pub(super) fn consume_over(&self, broker: &Broker, linger: Duration) -> Lifecycle {
        let lifecycle = Lifecycle::new();
        let context = ConsumerContext {
            broker: broker.clone(),
            db: self.db.clone(),
            sources: self.sources.clone(),
            options: ConsumerOptions {
                hold: Duration::ZERO,
                linger,
                ..ConsumerOptions::default()
            },
        };
        consumer::spawn(&lifecycle, &context, self.conduct.clone());
        lifecycle
    }

    /// Publishes messages about as many tasks and answers which.
    pub(super) async fn publish(&self, count: usize) -> Result<Vec<Uuid>> {
        let mut tasks = Vec::with_capacity(count);
        for _ in 0..count {
            let message = assigned(id(), id(), 0);
            self.broker.publish(&message).await?;
            tasks.push(message.task_uuid);
        }
        Ok(tasks)
    }

    /// Waits until as many messages had their effect, and demands that each had it once.
    pub(super) async fn until_applied(&self, count: usize) -> Result<()> {
        let count = i64::try_from(count)?;
        until(&format!("{count} messages are applied"), || async {
            Ok(self.database.count("task_price", "true").await? == count)
        })
        .await?;
        assert_eq!(self.database.count("inbox", "true").await?, count);
        Ok(())
    }

    /// Kind and reason of every parked message.
    pub(super) async fn parked(&self) -> Result<Vec<(String, String)>> {
        Ok(sqlx::query_as("SELECT kind, reason FROM parked_message")
            .fetch_all(&self.database.owned)
            .await?)
    }

    /// Stops, and demands that no message is left anywhere.
    pub(super) async fn finish(self, lifecycle: Lifecycle) -> Result<()> {
        lifecycle.stop_and_wait().await;
        let remaining = self.broker.remaining().await?;
        assert!(remaining.is_empty(), "messages remain: {remaining:?}");
        self.db.close().await?;
        self.broker.remove().await?;
        self.database.remove().await
    }
}
