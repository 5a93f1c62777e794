//! finance-service in the test's own process, on a database and a virtual host of its own.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    identity::{Role, UserCreated},
    tasks::{Task, TaskStatus},
    topology::Publisher,
};
use finance_service::{
    config, maintenance,
    service::{self, Listeners},
};
use lapin::message::BasicGetMessage;
use migrations::Database;
use platform::{
    db,
    lifecycle::Lifecycle,
    maintenance::Maintenance,
    sources::{Clock as _, ManualClock, Sources},
};
use sea_orm::DatabaseConnection;
use uuid::Uuid;

use super::{
    books,
    broker::TestBroker,
    builders::{assigned, id, in_realm, noon, user},
    database::TestDatabase,
    peers::Peers,
    settings::{self, Identity, Surroundings},
    waiting::{eventually, until},
};

/// A running finance-service and everything around it.
#[derive(Debug)]
pub(crate) struct Finance {
    pub(crate) database: TestDatabase,
    pub(crate) broker: TestBroker,
    pub(crate) peers: Peers,
    /// The service's clock; it starts a minute after noon.
    pub(crate) clock: ManualClock,
    listeners: Option<Listeners>,
    identity: Identity,
    lifecycle: Lifecycle,
    /// Stops after the service, so that its last calls are answered.
    surroundings: Lifecycle,
}

/// The price of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Price {
    pub(crate) fee_cents: i64,
    pub(crate) reward_cents: i64,
}

/// What an account's owner sees of one transfer.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Movement {
    kind: String,
    task_uuid: Uuid,
    employee: Uuid,
    amount_cents: i64,
    event_at: DateTime<Utc>,
}

impl Movement {
    /// A fee charged `seconds` after noon.
    pub(crate) fn fee(task_uuid: Uuid, employee: Uuid, amount_cents: i64, seconds: i64) -> Self {
        Self {
            kind: "fee".to_owned(),
            task_uuid,
            employee,
            amount_cents,
            event_at: noon() + TimeDelta::seconds(seconds),
        }
    }

    /// A reward paid `seconds` after noon.
    pub(crate) fn reward(task_uuid: Uuid, employee: Uuid, amount_cents: i64, seconds: i64) -> Self {
        Self {
            kind: "reward".to_owned(),
            ..Self::fee(task_uuid, employee, amount_cents, seconds)
        }
    }
}

impl Finance {
    /// Starts the service with nothing in its database.
    pub(crate) async fn start() -> Result<Self> {
        let surroundings = Lifecycle::new();
        let peers = Peers::start(&surroundings).await?;
        let identity = Identity::played(peers.issuer())?;
        let clock = ManualClock::new(noon() + TimeDelta::minutes(1));
        Self::start_among(surroundings, peers, identity, clock).await
    }

    /// Starts it as a service of the realm.
    pub(crate) async fn start_in_realm() -> Result<Self> {
        let surroundings = Lifecycle::new();
        let peers = Peers::start(&surroundings).await?;
        let identity = Identity::of_realm(Publisher::Finance).await?;
        let clock = ManualClock::new(in_realm());
        Self::start_among(surroundings, peers, identity, clock).await
    }

    async fn start_among(
        surroundings: Lifecycle,
        peers: Peers,
        identity: Identity,
        clock: ManualClock,
    ) -> Result<Self> {
        let mut finance = Self {
            database: TestDatabase::create(Database::Finance).await?,
            broker: TestBroker::create().await?,
            peers,
            clock,
            listeners: None,
            identity,
            lifecycle: Lifecycle::new(),
            surroundings,
        };
        finance.resume().await?;
        Ok(finance)
    }

    /// Stops the service in the middle of whatever it does, with what it holds unacknowledged.
    pub(crate) async fn stop(&self) {
        self.lifecycle.stop_and_wait().await;
    }

    /// Starts the service, for the first time or again.
    pub(crate) async fn resume(&mut self) -> Result<()> {
        self.lifecycle = Lifecycle::new();
        let listeners = service::start(self.settings()?, self.sources(), &self.lifecycle).await?;
        self.listeners = Some(listeners);
        Ok(())
    }

    /// What the service answers to.
    pub(crate) fn listeners(&self) -> &Listeners {
        self.listeners.as_ref().expect("the service was started")
    }

    /// Somebody of that id comes to life, and finance has heard of them.
    pub(crate) async fn welcome(&self, user_id: Uuid, roles: &[Role]) -> Result<()> {
        let timestamp = self.clock.now();
        self.peers.add_user(user(user_id, roles, timestamp));
        self.broker
            .publish(&UserCreated { user_id, timestamp })
            .await?;
        until("finance knows the person", || async {
            let is_known = format!("user_id = '{user_id}'");
            Ok(self.database.count("user_cache", &is_known).await? == 1)
        })
        .await
    }

    /// Does by hand what `command` says, beside the running service.
    pub(crate) async fn maintain(&self, command: Maintenance) -> Result<ExitCode> {
        maintenance::execute(&self.settings()?, self.sources(), command).await
    }

    /// A connection of the service's own role.
    pub(crate) async fn connect(&self) -> Result<DatabaseConnection> {
        Ok(db::connect(&self.settings()?.database).await?)
    }

    /// Ids and times as the service has them.
    pub(crate) fn sources(&self) -> Sources {
        Sources::system().with_clock(Arc::new(self.clock.clone()))
    }

    fn settings(&self) -> Result<config::Config> {
        let around = Surroundings {
            service: Publisher::Finance,
            database: &self.database,
            broker: &self.broker,
            peers: &self.peers,
            identity: &self.identity,
        };
        settings::load(config::DEFAULTS, around, &["auth", "tasks"])
    }

    /// Waits until the service has handled `messages` of the task board, each under an id of its own.
    pub(crate) async fn applied(&self, messages: usize) -> Result<()> {
        let messages = i64::try_from(messages)?;
        until(&format!("{messages} messages are applied"), || async {
            Ok(self
                .database
                .count("inbox", "consumer = 'finance.tasks'")
                .await?
                == messages)
        })
        .await
    }

    /// Waits until everything that was published before is handled.
    ///
    /// The queue has one consumer, which goes by its order: what comes last is handled last.
    pub(crate) async fn idle(&self) -> Result<()> {
        let last = assigned(id(), id(), 0);
        self.broker.publish(&last).await?;
        self.until_movements(last.assigned_to, 1).await
    }

    /// Waits until an account has `count` transfers.
    pub(crate) async fn until_movements(&self, employee: Uuid, count: usize) -> Result<()> {
        until(&format!("{count} transfers are booked"), || async {
            Ok(self.movements(employee).await?.len() == count)
        })
        .await
    }

    /// The transfers of an employee's account, oldest first.
    pub(crate) async fn movements(&self, employee: Uuid) -> Result<Vec<Movement>> {
        let query = "SELECT kind, task_uuid, employee, amount_cents, event_at FROM transfer
                     WHERE employee = $1 ORDER BY event_at, kind";
        Ok(sqlx::query_as(query)
            .bind(employee)
            .fetch_all(&self.database.owned)
            .await?)
    }

    /// What an employee has, in cents; nothing when they have no account yet.
    pub(crate) async fn balance(&self, employee: Uuid) -> Result<i64> {
        let query = "SELECT credits_cents - debits_cents FROM employee_balance WHERE employee = $1";
        let balance = sqlx::query_scalar(query)
            .bind(employee)
            .fetch_optional(&self.database.owned)
            .await?;
        Ok(balance.unwrap_or_default())
    }

    /// The price of a task that finance has seen.
    pub(crate) async fn price(&self, task: Uuid) -> Result<Price> {
        let query = "SELECT fee_cents, reward_cents FROM task_price WHERE task_uuid = $1";
        Ok(sqlx::query_as(query)
            .bind(task)
            .fetch_one(&self.database.owned)
            .await?)
    }

    /// The kinds of the parked messages.
    pub(crate) async fn parked(&self) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar("SELECT kind FROM parked_message")
            .fetch_all(&self.database.owned)
            .await?)
    }

    /// Waits until `count` messages are parked.
    pub(crate) async fn until_parked(&self, count: usize) -> Result<()> {
        until(&format!("{count} messages are parked"), || async {
            Ok(self.parked().await?.len() == count)
        })
        .await
    }

    /// Waits for the only parked message and answers its kind.
    pub(crate) async fn parked_once(&self) -> Result<String> {
        self.until_parked(1).await?;
        self.parked().await?.pop().context("one message is parked")
    }

    /// The task board knows an open task of that title.
    pub(crate) fn know_task(&self, task_uuid: Uuid, title: &str) {
        self.peers.add_task(Task {
            task_uuid,
            number: 1,
            title: title.to_owned(),
            description: String::new(),
            reference: None,
            status: TaskStatus::Open,
            created_by: id(),
            assigned_to: None,
            created_at: noon(),
            changed_at: noon(),
        });
    }

    /// The title under which finance knows a task.
    pub(crate) async fn title(&self, task: Uuid) -> Result<Option<String>> {
        let query = "SELECT title FROM task_cache WHERE task_uuid = $1";
        Ok(sqlx::query_scalar(query)
            .bind(task)
            .fetch_optional(&self.database.owned)
            .await?)
    }

    /// Waits until finance knows a task under that title.
    pub(crate) async fn until_title(&self, task: Uuid, title: &str) -> Result<()> {
        until(&format!("the title is {title}"), || async {
            Ok(self.title(task).await?.as_deref() == Some(title))
        })
        .await
    }

    /// Waits for a message in `queue` and takes it out.
    pub(crate) async fn next_from(&self, queue: &str) -> Result<BasicGetMessage> {
        eventually(&format!("a message in {queue}"), || self.broker.take(queue)).await
    }

    /// Stops the service, looks over its books, and demands that nothing is left undone.
    pub(crate) async fn finish(self) -> Result<()> {
        books::check(&self.database.owned).await?;
        until("the outbox is empty", || async {
            Ok(self.database.count("outbox", "true").await? == 0)
        })
        .await?;
        until("no fetch is owed", || async {
            Ok(self.database.count("fetch_pending", "true").await? == 0)
        })
        .await?;
        self.lifecycle.stop_and_wait().await;
        // What is for tasks-service, which does not run here.
        for queue in ["tasks.finance", "tasks.auth"] {
            while self.broker.take(queue).await?.is_some() {}
        }
        let remaining = self.broker.remaining().await?;
        ensure!(remaining.is_empty(), "messages remain: {remaining:?}");
        self.remove().await
    }

    /// Stops the service, whatever it has said that nobody reads.
    pub(crate) async fn remove(self) -> Result<()> {
        self.lifecycle.stop_and_wait().await;
        self.surroundings.stop_and_wait().await;
        self.broker.remove().await?;
        self.database.remove().await
    }
}
