//! A consumer on its own channel: batches out, acknowledgements in.

use std::{fmt, time::Duration};

use contracts::topology::{Publisher, queues_exchange};
use futures::StreamExt;
use lapin::{
    Channel, Consumer,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::time::{Instant, timeout_at};

use super::incoming::Incoming;
use crate::rabbit::{Link, LinkError};

/// How many messages the broker hands out in advance.
///
/// One at first: a message that kills the process takes everything handed out with it towards the
/// delivery limit, innocent or not. It grows after good batches, but not while messages come that were
/// delivered before, since the one that killed may be among them: then it stands alone and only it is
/// counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefetch {
    /// One message: after a start, and to find out whether what was down is back.
    Probe,
    /// A few.
    Careful,
    /// Two batches: one in the transaction, one on its way.
    Full(u16),
}

impl Prefetch {
    const CAREFUL: u16 = 10;

    pub(super) fn messages(self) -> u16 {
        match self {
            Self::Probe => 1,
            Self::Careful => Self::CAREFUL,
            Self::Full(messages) => messages,
        }
    }

    /// The next larger one, after `batch` went well and showed that there are more, all of them new.
    pub(super) fn after_good_batch(self, batch: &[Incoming], full: u16) -> Option<Self> {
        let filled = batch.len() >= usize::from(self.messages());
        let is_new = |message: &Incoming| !message.redelivered;
        match self {
            Self::Full(_) => None,
            _ if !filled || !batch.iter().all(is_new) => None,
            Self::Probe => Some(Self::Careful),
            Self::Careful => Some(Self::Full(full)),
        }
    }
}

/// What a subscription yields.
#[derive(Debug)]
pub(super) enum Next {
    /// Messages, in the order of delivery, at least one.
    Batch(Vec<Incoming>),
    /// The stream ended: cancelled by us or by the broker.
    Ended,
    /// The channel is broken.
    Broken(LinkError),
}

/// A consumer of one queue; dropping it gives what is not acknowledged back to the queue.
pub(super) struct Subscription {
    link: Link,
    channel: Channel,
    consumer: Consumer,
    own_exchange: String,
    /// The stream says once that it ended and would wait for ever if asked again.
    ended: bool,
    pub(super) prefetch: Prefetch,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("prefetch", &self.prefetch)
            .finish_non_exhaustive()
    }
}

impl Subscription {
    /// Subscribes on a fresh channel.
    ///
    /// When no answer comes the broker may have subscribed us all the same, and would hand messages to
    /// nobody; so the channel is closed, and the broker hears of it when it hears again.
    pub(super) async fn open(
        link: &Link,
        channel: Channel,
        service: Publisher,
        queue: &str,
        prefetch: Prefetch,
    ) -> Result<Self, LinkError> {
        match consume(link, &channel, queue, prefetch).await {
            Ok(consumer) => Ok(Self {
                link: link.clone(),
                channel,
                consumer,
                own_exchange: queues_exchange(service),
                ended: false,
                prefetch,
            }),
            Err(error) => {
                close(link, &channel).await;
                Err(error)
            }
        }
    }

    /// Waits for a message and takes what else arrives within `linger`, up to `most`.
    pub(super) async fn next(&mut self, most: u16, linger: Duration) -> Next {
        if self.ended {
            return Next::Ended;
        }
        let first = match self.consumer.next().await {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => return Next::Broken(error.into()),
            None => return Next::Ended,
        };
        let mut batch = vec![Incoming::of_delivery(first, &self.own_exchange)];
        let until = Instant::now() + linger;
        while batch.len() < usize::from(most) {
            match timeout_at(until, self.consumer.next()).await {
                Ok(Some(Ok(delivery))) => {
                    batch.push(Incoming::of_delivery(delivery, &self.own_exchange));
                }
                Ok(Some(Err(error))) => return Next::Broken(error.into()),
                Ok(None) => {
                    self.ended = true;
                    break;
                }
                Err(_elapsed) => break,
            }
        }
        Next::Batch(batch)
    }

    /// Acknowledges the message with this tag and all before it.
    pub(super) async fn acknowledge(&self, delivery_tag: u64) -> Result<(), LinkError> {
        let options = BasicAckOptions { multiple: true };
        self.link
            .step(self.channel.basic_ack(delivery_tag, options))
            .await
    }

    /// Stops deliveries; what was delivered already is still yielded, then the stream ends.
    pub(super) async fn wind_down(&self) -> Result<(), LinkError> {
        let options = BasicCancelOptions::default();
        let cancel = self.channel.basic_cancel(self.consumer.tag(), options);
        self.link.step(cancel).await
    }

    /// Closes the channel, so that everything unacknowledged is back in the queue on return.
    pub(super) async fn close(self) {
        close(&self.link, &self.channel).await;
    }
}

async fn consume(
    link: &Link,
    channel: &Channel,
    queue: &str,
    prefetch: Prefetch,
) -> Result<Consumer, LinkError> {
    let limit = BasicQosOptions::default();
    link.step(channel.basic_qos(prefetch.messages(), limit))
        .await?;
    let options = BasicConsumeOptions::default();
    let subscribe = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
    link.step(subscribe).await
}

async fn close(link: &Link, channel: &Channel) {
    if let Err(error) = link.step(channel.close(200, "done".into())).await {
        tracing::debug!(%error, "a consumer channel was gone before it was closed");
    }
}

#[cfg(test)]
mod tests {
    use contracts::identity::UserChanged;
    use uuid::Uuid;

    use super::*;

    fn batch(size: usize) -> Vec<Incoming> {
        let body = UserChanged {
            user_id: Uuid::nil(),
            timestamp: chrono::DateTime::UNIX_EPOCH,
        };
        vec![Incoming::try_of(Uuid::nil(), &body).unwrap(); size]
    }

    #[test]
    fn prefetch_grows_only_while_batches_are_full() {
        let full = Prefetch::Full(1000);
        let grown = |prefetch: Prefetch, size| prefetch.after_good_batch(&batch(size), 1000);
        assert_eq!(grown(Prefetch::Probe, 1), Some(Prefetch::Careful));
        assert_eq!(grown(Prefetch::Careful, 9), None);
        assert_eq!(grown(Prefetch::Careful, 10), Some(full));
        assert_eq!(grown(full, 1000), None);
    }

    #[test]
    fn prefetch_does_not_grow_while_messages_come_again() {
        let mut messages = batch(10);
        messages[3].redelivered = true;
        assert_eq!(Prefetch::Careful.after_good_batch(&messages, 1000), None);
        assert_eq!(
            Prefetch::Probe.after_good_batch(&messages[3..4], 1000),
            None
        );
    }
}
