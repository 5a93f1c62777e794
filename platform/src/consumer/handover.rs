//! Hands failed messages over to the retry queues of their queue.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::topology::{ConsumerQueue, queues_exchange, retry_queue};
use tokio::time::timeout;

use super::{
    Incoming,
    retry::properties_of_retry,
    seen::{Outcome, count},
    worker::Interrupted,
};
use crate::rabbit::{Broker, ConfirmedPublisher, LinkError, Outgoing};

/// How long the broker may take the copies of failed messages. It may block publishers for hours, and
/// consuming, which takes load off it, has to go on.
const LIMIT: Duration = Duration::from_secs(30);

/// A message that failed and is to be tried again.
#[derive(Debug)]
pub(super) struct Retry<'a> {
    pub(super) message: &'a Incoming,
    /// Milliseconds until then, one of the delays that have a queue.
    pub(super) delay_ms: i64,
    /// Why it failed.
    pub(super) reason: String,
}

/// Whether the originals may be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandedOver {
    /// The broker has a copy of each.
    Yes,
    /// The broker blocks publishers and took none.
    Blocked,
}

/// The way to the retry queues of one queue.
#[derive(Debug)]
pub(super) struct HandOver {
    broker: Broker,
    queue: ConsumerQueue,
    /// Opened when the first message has to be retried.
    publisher: Option<ConfirmedPublisher>,
    /// Whether the broker has blocked publishers for longer than anybody waits.
    is_blocked: bool,
}

impl HandOver {
    pub(super) const fn new(broker: Broker, queue: ConsumerQueue) -> Self {
        Self {
            broker,
            queue,
            publisher: None,
            is_blocked: false,
        }
    }

    /// Publishes copies. A crash before the originals are acknowledged makes duplicates, which the inbox
    /// recognises.
    pub(super) async fn copy(
        &mut self,
        retries: &[Retry<'_>],
        now: DateTime<Utc>,
    ) -> Result<HandedOver, Interrupted> {
        self.is_blocked &= self.broker.publishing().is_blocked();
        if self.is_blocked {
            return Ok(HandedOver::Blocked);
        }
        match timeout(LIMIT, self.publish(retries, now)).await {
            Ok(published) => published.map(|()| HandedOver::Yes),
            Err(_elapsed) => {
                self.is_blocked = self.broker.publishing().is_blocked();
                if self.is_blocked {
                    return Ok(HandedOver::Blocked);
                }
                Err(LinkError::Silent.into())
            }
        }
    }

    async fn publish(
        &mut self,
        retries: &[Retry<'_>],
        now: DateTime<Utc>,
    ) -> Result<(), Interrupted> {
        let exchange = queues_exchange(self.queue.consumer);
        let names: Vec<String> = retries
            .iter()
            .map(|retry| retry_queue(self.queue.name, retry.delay_ms))
            .collect();
        let copies = retries
            .iter()
            .zip(&names)
            .map(|(retry, name)| Outgoing {
                exchange: &exchange,
                routing_key: name,
                properties: properties_of_retry(retry.message, &retry.reason, now),
                body: &retry.message.body,
            })
            .collect();
        // Kept only when all went well: half a conversation cannot be taken up again.
        let mut publisher = match self.publisher.take() {
            Some(publisher) => publisher,
            None => ConfirmedPublisher::open(self.broker.publishing()).await?,
        };
        let receipt = publisher.publish(copies).await?;
        self.publisher = Some(publisher);
        if !receipt.is_complete() {
            return Err(Interrupted::Unavailable("a retry queue".to_owned()));
        }
        count(self.queue.name, Outcome::Retried, retries.len());
        Ok(())
    }
}
