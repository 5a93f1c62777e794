//! Turns what happened in the domain into messages of the contract.

use contracts::finance::TaskPriced;
use platform::{outbox::OutboxMessage, sources::Sources};

use crate::domain::{event::Event, money::Currency};

/// Writes messages; they leave through the outbox of the transaction that makes them true.
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

    /// The message that tells of `event`.
    pub fn message(&self, event: Event) -> OutboxMessage {
        match event {
            Event::TaskPriced { task, price, at } => {
                let body = TaskPriced {
                    task_uuid: task,
                    fee_cents: price.fee.cents(),
                    reward_cents: price.reward.cents(),
                    currency: self.currency.code().to_owned(),
                    timestamp: at,
                };
                OutboxMessage::new(&self.sources, &body)
            }
        }
    }
}
