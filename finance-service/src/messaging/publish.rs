//! Turns what happened in the domain into messages of the contract.

use chrono::{DateTime, Utc};
use contracts::finance::TaskPriced;
use platform::{
    outbox::{self, OutboxMessage},
    sources::Sources,
};
use sea_orm::DatabaseTransaction;
use thiserror::Error;
use uuid::Uuid;

use crate::{
    domain::{money::Currency, pricing::Price},
    store::StoreError,
};

/// Why messages did not get into the outbox.
#[derive(Debug, Error)]
pub enum PublishError {
    /// A body cannot be written as JSON.
    #[error("a message cannot be written")]
    Body(#[from] serde_json::Error),
    /// The outbox cannot be written.
    #[error("the outbox is not available")]
    Store(#[from] StoreError),
}

/// Something that other services may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A task was seen for the first time and its price is fixed.
    TaskPriced {
        /// The task.
        task: Uuid,
        /// Its price.
        price: Price,
        /// When it was drawn.
        at: DateTime<Utc>,
    },
}

/// Writes messages into the outbox of the transaction that makes them true.
#[derive(Debug, Clone)]
pub struct EventPublisher {
    sources: Sources,
    currency: Currency,
}

impl EventPublisher {
    /// All amounts are told in `currency`.
    pub const fn new(sources: Sources, currency: Currency) -> Self {
        Self { sources, currency }
    }

    /// Adds the messages of `events` to the outbox.
    ///
    /// # Errors
    /// When the outbox cannot be written.
    pub async fn append(
        &self,
        txn: &DatabaseTransaction,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<(), PublishError> {
        let messages = events.into_iter().map(|event| self.message(event));
        let messages: Vec<OutboxMessage> = messages.collect::<Result<_, _>>()?;
        Ok(outbox::append(txn, &messages).await.map_err(StoreError::from)?)
    }

    fn message(&self, event: Event) -> Result<OutboxMessage, serde_json::Error> {
        match event {
            Event::TaskPriced { task, price, at } => {
                let body = TaskPriced {
                    task_uuid: task,
                    fee_cents: price.fee.cents(),
                    reward_cents: price.reward.cents(),
                    currency: self.currency.code().to_owned(),
                    timestamp: at,
                };
                OutboxMessage::try_new(&self.sources, &body)
            }
        }
    }
}
