//! tasks-service in the test's own process, on a database and a virtual host of its own.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Message,
    identity::{Role, UserChanged, UserCreated, UserDeleted},
    topology::{FINANCE_TASKS, Publisher},
};
use lapin::message::BasicGetMessage;
use migrations::Database;
use platform::{
    db,
    lifecycle::Lifecycle,
    maintenance::Maintenance,
    outbox::OutboxSignal,
    signal::Signal,
    sources::{ManualClock, Sources},
};
use tasks_service::{
    app::{
        App, command,
        file::{self, Draft},
        performers::Performers,
    },
    config::{self, Config},
    domain::{
        id::{TaskId, UserId},
        person::{Authority, Caller},
        text::{Content, Typed},
    },
    maintenance,
    service::{self, Listeners},
};
use uuid::Uuid;

use super::{
    broker::TestBroker,
    builders::{id, in_realm, noon, user},
    database::TestDatabase,
    peers::Peers,
    settings::{self, Identity, Surroundings},
    waiting::{eventually, until},
};

/// A running tasks-service and everything around it.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) database: TestDatabase,
    pub(crate) broker: TestBroker,
    pub(crate) peers: Peers,
    pub(crate) clock: ManualClock,
    pub(crate) listeners: Listeners,
    config: Config,
    app: App,
    lifecycle: Lifecycle,
    /// Stops after the service, so that its last calls are answered.
    surroundings: Lifecycle,
}

impl Board {
    /// Starts the service with nothing in its database.
    pub(crate) async fn start() -> Result<Self> {
        Self::start_with(|_config| {}).await
    }

    /// The same with settings that `change` has made.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Result<Self> {
        let surroundings = Lifecycle::new();
        let peers = Peers::start(&surroundings).await?;
        let identity = Identity::played(peers.issuer())?;
        let clock = ManualClock::new(noon());
        Self::start_among(surroundings, peers, &identity, clock, change).await
    }

    /// Starts it as a service of the realm, with settings that `change` has made.
    pub(crate) async fn start_in_realm(change: impl FnOnce(&mut Config)) -> Result<Self> {
        let surroundings = Lifecycle::new();
        let peers = Peers::start(&surroundings).await?;
        let identity = Identity::of_realm(Publisher::Tasks).await?;
        let clock = ManualClock::new(in_realm());
        Self::start_among(surroundings, peers, &identity, clock, change).await
    }

    async fn start_among(
        surroundings: Lifecycle,
        peers: Peers,
        identity: &Identity,
        clock: ManualClock,
        change: impl FnOnce(&mut Config),
    ) -> Result<Self> {
        let database = TestDatabase::create(Database::Tasks).await?;
        let broker = TestBroker::create().await?;
        let sources = Sources::system().with_clock(Arc::new(clock.clone()));
        let around = Surroundings {
            service: Publisher::Tasks,
            database: &database,
            broker: &broker,
            peers: &peers,
            identity,
        };
        let mut config: Config = settings::load(config::DEFAULTS, around, &["auth", "finance"])?;
        change(&mut config);
        let app = App {
            db: db::connect(&config.database).await?,
            sources: sources.clone(),
            outbox: OutboxSignal::new(),
            people_changed: Signal::new(),
            eligibility: Arc::new(config.assignment.clone().into()),
            performers: Performers::default(),
        };
        let lifecycle = Lifecycle::new();
        let listeners = service::start(config.clone(), sources, &lifecycle).await?;
        Ok(Self {
            database,
            broker,
            peers,
            clock,
            listeners,
            config,
            app,
            lifecycle,
            surroundings,
        })
    }

    /// Stops the service in the middle of whatever it does, with what it holds unacknowledged.
    pub(crate) async fn stop(&self) {
        self.lifecycle.stop_and_wait().await;
    }

    /// Starts the service again.
    pub(crate) async fn resume(&mut self) -> Result<()> {
        self.lifecycle = Lifecycle::new();
        let (config, sources) = (self.config.clone(), self.app.sources.clone());
        self.listeners = service::start(config, sources, &self.lifecycle).await?;
        Ok(())
    }

    /// Does by hand what `command` says, beside the running service.
    pub(crate) async fn maintain(&self, command: Maintenance) -> Result<ExitCode> {
        maintenance::execute(&self.config, self.app.sources.clone(), command).await
    }

    /// Somebody with these roles comes to life, and the board has heard of them.
    pub(crate) async fn person(&self, roles: &[Role]) -> Result<Uuid> {
        let user_id = id();
        self.welcome(user_id, roles).await?;
        Ok(user_id)
    }

    /// Somebody of that id comes to life, and the board has heard of them.
    pub(crate) async fn welcome(&self, user_id: Uuid, roles: &[Role]) -> Result<()> {
        let timestamp = self.tick();
        self.peers.add_user(user(user_id, roles, timestamp));
        self.broker
            .publish(&UserCreated { user_id, timestamp })
            .await?;
        until("the board knows the person", || async {
            self.knows(user_id, "NOT is_deleted").await
        })
        .await
    }

    /// Somebody is disabled, and the board has heard of it.
    pub(crate) async fn disable(&self, user_id: Uuid) -> Result<()> {
        let timestamp = self.tick();
        self.peers.change_user(user_id, |user| user.enabled = false);
        self.broker
            .publish(&UserChanged { user_id, timestamp })
            .await?;
        until("the person is disabled", || async {
            self.knows(user_id, "NOT is_enabled").await
        })
        .await
    }

    /// Somebody is deleted, and the board has heard of it.
    pub(crate) async fn delete(&self, user_id: Uuid) -> Result<()> {
        let timestamp = self.tick();
        self.peers.forget_user(user_id);
        self.broker
            .publish(&UserDeleted { user_id, timestamp })
            .await?;
        until("the person is deleted", || async {
            self.knows(user_id, "is_deleted").await
        })
        .await
    }

    async fn knows(&self, user_id: Uuid, condition: &str) -> Result<bool> {
        let condition = format!("user_id = '{user_id}' AND {condition}");
        Ok(self.database.count("user_cache", &condition).await? == 1)
    }

    /// The clock moves on by a second.
    pub(crate) fn tick(&self) -> DateTime<Utc> {
        self.clock.advance(TimeDelta::seconds(1));
        self.app.sources.now()
    }

    /// `author` files a task with a performer drawn at random.
    pub(crate) async fn file(&self, author: Uuid) -> Result<Uuid> {
        let typed = Typed {
            title: "Mend the roof",
            description: "It *drips*.",
            reference: "ROOF-1",
        };
        let draft = Draft {
            id: TaskId(id()),
            by: member(author),
            content: Content::try_new(typed)?,
            chosen: None,
        };
        file::file(&self.app, &draft).await?;
        Ok(draft.id.0)
    }

    /// `by` marks a task done.
    pub(crate) async fn complete(
        &self,
        task: Uuid,
        by: Uuid,
    ) -> Result<command::Done, command::CommandError> {
        command::complete(&self.app, TaskId(task), member(by)).await
    }

    /// A manager hands a task to `performer`.
    pub(crate) async fn assign(&self, task: Uuid, performer: Uuid) -> Result<()> {
        let task = TaskId(task);
        command::assign(&self.app, task, lead(), UserId(performer)).await?;
        Ok(())
    }

    /// A manager calls a task off.
    pub(crate) async fn cancel(&self, task: Uuid) -> Result<()> {
        command::cancel(&self.app, TaskId(task), lead()).await?;
        Ok(())
    }

    /// What people call a task: `T-1`.
    pub(crate) async fn name(&self, task: Uuid) -> Result<String> {
        let query = "SELECT 'T-' || number FROM task WHERE id = $1";
        Ok(sqlx::query_scalar(query)
            .bind(task)
            .fetch_one(&self.database.owned)
            .await?)
    }

    /// Who has a task; nobody while it waits.
    pub(crate) async fn performer(&self, task: Uuid) -> Result<Option<Uuid>> {
        let query = "SELECT performer_id FROM task WHERE id = $1";
        Ok(sqlx::query_scalar(query)
            .bind(task)
            .fetch_one(&self.database.owned)
            .await?)
    }

    /// Waits until somebody other than `not` has a task, and answers who.
    pub(crate) async fn next_performer(&self, task: Uuid, not: Option<Uuid>) -> Result<Uuid> {
        eventually("the task has another performer", || async {
            Ok(self
                .performer(task)
                .await?
                .filter(|performer| Some(*performer) != not))
        })
        .await
    }

    /// The next message that finance would get, which must be one of `M`.
    pub(crate) async fn next<M: Message>(&self) -> Result<M> {
        let message = self.next_raw().await?;
        let key = message.routing_key.as_str();
        ensure!(key == M::KEY, "{key} came instead of {}", M::KEY);
        Ok(contracts::decode(&message.data)?)
    }

    /// The next message that finance would get.
    pub(crate) async fn next_raw(&self) -> Result<BasicGetMessage> {
        eventually("a message of the board", || {
            self.broker.take(FINANCE_TASKS.name)
        })
        .await
    }

    /// Stops the service and demands that nothing is left undone and nothing unread.
    pub(crate) async fn finish(self) -> Result<()> {
        until("the outbox is empty", || async {
            Ok(self.database.count("outbox", "true").await? == 0)
        })
        .await?;
        until("no fetch is owed", || async {
            Ok(self.database.count("fetch_pending", "true").await? == 0)
        })
        .await?;
        self.lifecycle.stop_and_wait().await;
        // What finance would hear of users is no business of these tests.
        while self.broker.take("finance.auth").await?.is_some() {}
        let remaining = self.broker.remaining().await?;
        ensure!(remaining.is_empty(), "messages remain: {remaining:?}");
        self.remove().await
    }

    /// Stops the service, whatever it has said that nobody reads.
    pub(crate) async fn remove(self) -> Result<()> {
        self.lifecycle.stop_and_wait().await;
        self.surroundings.stop_and_wait().await;
        self.app
            .db
            .close()
            .await
            .context("the connections are closed")?;
        self.broker.remove().await?;
        self.database.remove().await
    }
}

fn lead() -> Caller {
    Caller {
        id: UserId(id()),
        authority: Authority::Lead,
    }
}

fn member(person: Uuid) -> Caller {
    Caller {
        id: UserId(person),
        authority: Authority::Member,
    }
}
