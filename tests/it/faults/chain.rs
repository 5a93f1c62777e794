//! Both services as real processes, every link of theirs through a proxy.

use std::pin::pin;

use anyhow::{Context as _, Result};
use contracts::{
    identity::{Role, UserCreated},
    topology::Publisher,
};
use futures::future::poll_immediate;
use migrations::Database;
use platform::{
    lifecycle::Lifecycle,
    outbox::{self, OutboxMessage},
    sources::Sources,
};
use sea_orm::{DatabaseConnection, TransactionTrait as _};
use uuid::Uuid;

use super::{
    accounts::{HANDLED, TOLD, ids},
    sent::Sent,
};
use crate::support::{
    broker::TestBroker,
    builders::user,
    database::TestDatabase,
    peers::Peers,
    process::Service,
    proxy::{Protocol, Proxy},
    settings::{Identity, Places},
    waiting::until,
};

/// Messages are written this many tasks at a time.
const TASKS_PER_TRANSACTION: usize = 5;

/// The services as they are called.
const TASKS: (&str, Publisher) = ("tasks-service", Publisher::Tasks);
const FINANCE: (&str, Publisher) = ("finance-service", Publisher::Finance);

/// Employees among whom the money moves.
const EMPLOYEES: usize = 7;

/// How long the tokens of machines are good, in seconds: so short that any fault meets a renewal.
const TOKEN_LIFETIME: u32 = 1;

/// One of the two services. Each hears what the other one says: of tasks, and of their prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Tasks,
    Finance,
}

impl End {
    /// Both, in the order in which they have something to say.
    pub(super) const BOTH: [Self; 2] = [Self::Tasks, Self::Finance];

    pub(super) fn other(self) -> Self {
        match self {
            Self::Tasks => Self::Finance,
            Self::Finance => Self::Tasks,
        }
    }
}

/// A replica of a service with its links.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) service: Service,
    /// To RabbitMQ.
    pub(super) broker: Proxy,
    /// To PostgreSQL.
    pub(super) database: Proxy,
    /// To the other services.
    pub(super) peers: Proxy,
    /// To the issuer of its tokens.
    pub(super) issuer: Proxy,
}

/// tasks-service and finance-service with everything between them.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) tasks: Node,
    pub(super) finance: Node,
    pub(super) tasks_data: TestDatabase,
    pub(super) finance_data: TestDatabase,
    pub(super) broker: TestBroker,
    pub(super) sent: Sent,
    peers: Peers,
    /// The outbox of tasks, past its links.
    outbox: DatabaseConnection,
    sources: Sources,
    employees: Vec<Uuid>,
    /// Stops after the services, so that their last calls are answered.
    surroundings: Lifecycle,
}

impl Node {
    async fn new(
        (name, publisher): (&'static str, Publisher),
        data: &TestDatabase,
        broker: &TestBroker,
        peers: &Peers,
    ) -> Result<Self> {
        let (to_database, database) =
            Proxy::before(&data.application_url(), Protocol::Postgres).await?;
        let (to_broker, broker) = Proxy::before(&broker.url(publisher), Protocol::Amqp).await?;
        let (to_peers, to_issuer) = (peers.url(), peers.issuer());
        let (to_peers, peers) = Proxy::before(&to_peers, Protocol::Http).await?;
        let (to_issuer, issuer) = Proxy::before(&to_issuer, Protocol::Http).await?;
        let places = Places {
            database: to_database,
            broker: to_broker,
            identity: Identity::played(to_issuer)?,
            peers: callees(publisher)
                .iter()
                .map(|peer| (*peer, to_peers.clone()))
                .collect(),
        };
        Ok(Self {
            service: Service::new(name, &places)?,
            broker,
            database,
            peers,
            issuer,
        })
    }

    /// Every link passes again.
    pub(super) fn mend(&self) {
        for link in self.links() {
            link.mend();
        }
    }

    /// Kills the process at the moment at which its link has stopped: what is held back never arrives, as if
    /// the process had not come to it.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.service.kill()?;
        for link in self.links() {
            link.cut();
        }
        Ok(())
    }

    /// Kills the process, mends its links, and starts it again.
    pub(super) fn crash(&mut self) -> Result<()> {
        self.kill()?;
        self.mend();
        self.service.start()
    }

    fn links(&self) -> [&Proxy; 4] {
        [&self.broker, &self.database, &self.peers, &self.issuer]
    }
}

/// Whom a service calls.
fn callees(publisher: Publisher) -> &'static [&'static str] {
    match publisher {
        Publisher::Auth => &[],
        Publisher::Tasks => &["auth", "finance"],
        Publisher::Finance => &["auth", "tasks"],
    }
}

impl Chain {
    /// Starts both services on databases and a virtual host of their own.
    pub(super) async fn start() -> Result<Self> {
        let mut chain = Self::prepare().await?;
        chain.tasks.service.start()?;
        chain.finance.service.start()?;
        Ok(chain)
    }

    /// As [`Chain::start`], with neither service running.
    pub(super) async fn prepare() -> Result<Self> {
        let surroundings = Lifecycle::new();
        let broker = TestBroker::create().await?;
        let peers = Peers::start(&surroundings).await?;
        peers.issue_tokens_for(TOKEN_LIFETIME);
        let tasks_data = TestDatabase::create(Database::Tasks).await?;
        let finance_data = TestDatabase::create(Database::Finance).await?;
        let tasks = Node::new(TASKS, &tasks_data, &broker, &peers).await?;
        let finance = Node::new(FINANCE, &finance_data, &broker, &peers).await?;
        let outbox = tasks_data.connect().await?;
        let sources = Sources::system();
        let employees = (0..EMPLOYEES).map(|_| sources.new_id()).collect();
        Ok(Self {
            tasks,
            finance,
            tasks_data,
            finance_data,
            broker,
            sent: Sent::default(),
            peers,
            outbox,
            sources,
            employees,
            surroundings,
        })
    }

    /// One more tasks-service beside the other, with links of its own; it does not run yet.
    pub(super) async fn second_tasks(&self) -> Result<Node> {
        Node::new(TASKS, &self.tasks_data, &self.broker, &self.peers).await
    }

    /// One more finance-service beside the other, with links of its own; it does not run yet.
    pub(super) async fn second_finance(&self) -> Result<Node> {
        Node::new(FINANCE, &self.finance_data, &self.broker, &self.peers).await
    }

    pub(super) fn node(&self, end: End) -> &Node {
        match end {
            End::Tasks => &self.tasks,
            End::Finance => &self.finance,
        }
    }

    pub(super) fn node_mut(&mut self, end: End) -> &mut Node {
        match end {
            End::Tasks => &mut self.tasks,
            End::Finance => &mut self.finance,
        }
    }

    /// The messages of one more task, not written yet, and the outbox to write them to.
    pub(super) fn task(&mut self) -> (Vec<OutboxMessage>, &DatabaseConnection) {
        let employee = self.employees[self.sent.tasks.len() % EMPLOYEES];
        let (task, messages) = self.sent.task(&self.sources, employee);
        self.peers.add_task(task);
        (messages, &self.outbox)
    }

    /// Files `count` tasks: their messages are committed to the outbox, a few tasks at a time.
    pub(super) async fn send(&mut self, count: usize) -> Result<()> {
        let mut left = count;
        while left > 0 {
            let now = left.min(TASKS_PER_TRANSACTION);
            let mut messages = Vec::new();
            for _ in 0..now {
                messages.extend(self.task().0);
            }
            let txn = self.outbox.begin().await?;
            outbox::append(&txn, &messages).await?;
            txn.commit().await?;
            left -= now;
        }
        Ok(())
    }

    /// Tells both services of `count` people who have joined.
    pub(super) async fn join(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let (person, timestamp) = (self.sources.new_id(), self.sources.now());
            self.peers
                .add_user(user(person, &[Role::Employee], timestamp));
            let message_id = self.sources.new_id();
            self.sent.people.insert(message_id, person);
            let joined = UserCreated {
                user_id: person,
                timestamp,
            };
            self.broker.publish_as(message_id, &joined).await?;
        }
        Ok(())
    }

    /// Files tasks, one after the other, for as long as `disturbance` goes on; answers what came of it.
    pub(super) async fn send_during<T>(
        &mut self,
        disturbance: impl Future<Output = T>,
    ) -> Result<T> {
        let mut disturbance = pin!(disturbance);
        loop {
            self.send(1).await?;
            if let Some(outcome) = poll_immediate(&mut disturbance).await {
                return Ok(outcome);
            }
        }
    }

    /// How many of the messages finance has handled.
    pub(super) async fn handled(&self) -> Result<usize> {
        Ok(ids(&self.finance_data.owned, HANDLED).await?.len())
    }

    /// How many messages of the other one a service has handled.
    pub(super) async fn heard_by(&self, end: End) -> Result<usize> {
        match end {
            End::Tasks => Ok(ids(&self.tasks_data.owned, TOLD).await?.len()),
            End::Finance => self.handled().await,
        }
    }

    /// How many messages about people a service has handled.
    pub(super) async fn heard_of_people(&self, end: End) -> Result<usize> {
        let (consumer, data) = self.hears_of_people(end);
        let by_it = format!("consumer = '{consumer}'");
        Ok(usize::try_from(data.count("inbox", &by_it).await?)?)
    }

    /// How many messages wait in the outbox of tasks.
    pub(super) async fn waiting(&self) -> Result<usize> {
        Ok(usize::try_from(
            self.tasks_data.count("outbox", "true").await?,
        )?)
    }

    /// Whether a service has something to say, and all of it waits in its outbox.
    pub(super) async fn everything_waits(&self, end: End) -> Result<bool> {
        match end {
            End::Tasks => Ok(self.waiting().await? == self.sent.ids.len()),
            End::Finance => Ok(sqlx::query_scalar(EVERY_PRICE_WAITS)
                .fetch_one(&self.finance_data.owned)
                .await?),
        }
    }

    /// Waits until everything that was sent is handled.
    pub(super) async fn until_handled(&self) -> Result<()> {
        until("finance has handled all about tasks", || async {
            Ok(self.handled().await? == self.sent.ids.len())
        })
        .await
        .with_context(|| self.logs())?;
        for end in End::BOTH {
            until(&format!("{end:?} has handled all about people"), || async {
                Ok(self.heard_of_people(end).await? == self.sent.people.len())
            })
            .await
            .with_context(|| self.logs())?;
        }
        Ok(())
    }

    /// The consumer of messages about people, and where it notes them.
    pub(super) fn hears_of_people(&self, end: End) -> (&'static str, &TestDatabase) {
        match end {
            End::Tasks => ("tasks.auth", &self.tasks_data),
            End::Finance => ("finance.auth", &self.finance_data),
        }
    }

    /// Demands what [`Chain::finish_in_any_order`] does, and that the messages of each task first came to
    /// the broker in the order in which they were written.
    pub(super) async fn finish(self) -> Result<()> {
        self.until_handled().await?;
        self.in_order().await.with_context(|| self.logs())?;
        self.finish_in_any_order().await
    }

    /// Demands that every message was handled and moved its money once, that both sides agree, and
    /// that nothing is left anywhere; then takes everything away.
    ///
    /// A message that the broker refuses is overtaken by those that were sent along with it.
    pub(super) async fn finish_in_any_order(mut self) -> Result<()> {
        self.until_handled().await?;
        self.until_at_rest().await.with_context(|| self.logs())?;
        self.tasks.service.stop().await?;
        self.finance.service.stop().await?;
        self.account().await.with_context(|| self.logs())?;
        self.surroundings.stop_and_wait().await;
        self.outbox.close().await?;
        self.broker.remove().await?;
        self.tasks_data.remove().await?;
        self.finance_data.remove().await
    }

    /// Waits until nothing is under way any more.
    async fn until_at_rest(&self) -> Result<()> {
        let leased = "UPDATE fetch_pending SET next_at = now() WHERE next_at > now()";
        for (name, data) in [("tasks", &self.tasks_data), ("finance", &self.finance_data)] {
            // A process that was killed while it fetched holds its notes for a minute; nobody waits for that.
            sqlx::query(leased).execute(&data.owned).await?;
            until(&format!("{name} has nothing left to do"), || async {
                let [waiting, owed] =
                    ["outbox", "fetch_pending"].map(|table| data.count(table, "true"));
                Ok((waiting.await?, owed.await?) == (0, 0))
            })
            .await?;
        }
        until("tasks knows every price", || async {
            let known = self.tasks_data.count("price_cache", "true").await?;
            Ok(usize::try_from(known)? == self.sent.tasks.len())
        })
        .await?;
        until("the queues are empty", || async {
            Ok(self.broker.remaining().await?.is_empty())
        })
        .await
    }

    fn logs(&self) -> String {
        let [tasks, finance] = [&self.tasks, &self.finance]
            .map(|node| format!("{}\n{}", node.service.log_tail(), node.service.threads()));
        format!("tasks-service:\n{tasks}\nfinance-service:\n{finance}\n")
    }
}

/// Whether finance has priced something and told of nothing; by one statement, since it may go on pricing.
const EVERY_PRICE_WAITS: &str = "SELECT bool_and(EXISTS \
    (SELECT FROM outbox WHERE entity_id = task_uuid)) IS TRUE FROM task_price";
