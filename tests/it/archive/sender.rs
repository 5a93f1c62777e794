//! The sending half of a service: its outbox, its relay and its log, without its rules.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use chrono::{DateTime, Utc};
use contracts::{
    Message,
    messages::{SentCount, SentIds},
    topology::Publisher,
};
use migrations::Database;
use platform::{
    conciliation::{self, Page, SentLog, Span},
    fetch::FetchError,
    lifecycle::Lifecycle,
    outbox::{self, OutboxMessage, OutboxSignal},
    relay,
    sources::{ManualClock, Sources},
};
use sea_orm::{DatabaseConnection, DbErr, TransactionTrait as _};
use uuid::Uuid;

use crate::support::{broker::TestBroker, database::TestDatabase, waiting::until};

/// The most ids of one page; small, so that a handful of messages needs several.
const PAGE: u32 = 2;

/// Sends messages as a service does, the task board unless said otherwise.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) database: TestDatabase,
    pub(super) db: DatabaseConnection,
    sources: Sources,
    lifecycle: Lifecycle,
}

impl Sender {
    /// Relays to `broker`; ids are of the time that `clock` shows.
    pub(super) async fn start(broker: &TestBroker, clock: &ManualClock) -> Result<Self> {
        Self::start_as(Publisher::Tasks, broker, clock).await
    }

    /// The same for any service.
    pub(super) async fn start_as(
        service: Publisher,
        broker: &TestBroker,
        clock: &ManualClock,
    ) -> Result<Self> {
        let sender = Self::idle_as(service, clock).await?;
        let broker = broker.of(service, &sender.sources)?;
        let config = sender.database.config();
        let signal = OutboxSignal::new();
        let (lifecycle, sources) = (&sender.lifecycle, &sender.sources);
        relay::spawn(lifecycle, &config, &broker, sources, signal, Duration::ZERO)?;
        Ok(sender)
    }

    /// Writes messages and relays none.
    pub(super) async fn idle(clock: &ManualClock) -> Result<Self> {
        Self::idle_as(Publisher::Tasks, clock).await
    }

    async fn idle_as(service: Publisher, clock: &ManualClock) -> Result<Self> {
        let database = TestDatabase::create(database_of(service)).await?;
        Ok(Self {
            db: database.connect().await?,
            database,
            sources: Sources::system().with_clock(Arc::new(clock.clone())),
            lifecycle: Lifecycle::new(),
        })
    }

    /// Writes a message to the outbox and answers its id.
    pub(super) async fn write<M: Message + Sync>(&self, message: &M) -> Result<Uuid> {
        let message = OutboxMessage::new(&self.sources, message);
        let txn = self.db.begin().await?;
        outbox::append(&txn, std::slice::from_ref(&message)).await?;
        txn.commit().await?;
        Ok(message.message_id())
    }

    /// Writes a message and waits until the broker has it.
    pub(super) async fn send<M: Message + Sync>(&self, message: &M) -> Result<Uuid> {
        let id = self.write(message).await?;
        let condition = format!("message_id = '{id}'");
        until("the message is sent", || async {
            Ok(self.database.count("sent_message", &condition).await? == 1)
        })
        .await?;
        Ok(id)
    }

    /// Stops and removes its database.
    pub(super) async fn finish(self) -> Result<()> {
        self.lifecycle.stop_and_wait().await;
        self.db.close().await?;
        self.database.remove().await
    }
}

impl SentLog for Sender {
    async fn counts(&self, span: Span) -> Result<Vec<SentCount>, FetchError> {
        let counts = conciliation::counts(&self.db, span).await;
        counts.map_err(|error| failed(&error))
    }

    async fn ids(
        &self,
        hour: DateTime<Utc>,
        routing_key: &str,
        after: Option<Uuid>,
    ) -> Result<SentIds, FetchError> {
        let page = Page {
            hour,
            routing_key,
            after,
            limit: PAGE,
        };
        let ids = conciliation::ids(&self.db, page).await;
        ids.map_err(|error| failed(&error))
    }
}

fn database_of(service: Publisher) -> Database {
    match service {
        Publisher::Auth => Database::Auth,
        Publisher::Tasks => Database::Tasks,
        Publisher::Finance => Database::Finance,
    }
}

fn failed(error: &DbErr) -> FetchError {
    FetchError {
        reason: error.to_string(),
        retry_after: None,
    }
}
