//! Publishing with confirms, on a channel that only one task uses.

use std::collections::HashSet;

use futures::{future::maybe_done, poll};
use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm,
    message::BasicReturnMessage,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};

use super::{Link, LinkError};

/// A message on its way out.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The exchange.
    pub exchange: &'a str,
    /// The routing key.
    pub routing_key: &'a str,
    /// The properties; returned messages are recognised by their `message_id`.
    pub properties: BasicProperties,
    /// The body.
    pub body: &'a [u8],
}

/// A confirm channel.
///
/// Taking `&mut self` keeps publishing in one task: the client library numbers a message and sends it
/// in two steps, so two tasks on one channel would receive each other's confirms.
#[derive(Debug)]
pub struct ConfirmedPublisher {
    link: Link,
    channel: Channel,
}

/// Messages that are sent but not yet confirmed, in the order in which they were sent.
#[derive(Debug)]
pub struct InFlight {
    link: Link,
    confirms: Vec<PublisherConfirm>,
}

/// What the broker said of messages that were sent together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// One entry per message, in order: whether the broker took it over.
    pub accepted: Vec<bool>,
    /// `message_id`s of messages that reached no queue.
    ///
    /// The client library hands a returned message out with whichever confirm it resolves next, so
    /// this may name a message of another [`InFlight`] of the same channel. All returns of a message
    /// are known once everything that was sent before its confirm arrived is settled too.
    pub returned: HashSet<String>,
}

impl Receipt {
    /// Whether the broker took every message over and none of them got lost on its way to a queue.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.returned.is_empty() && self.accepted.iter().all(|accepted| *accepted)
    }
}

impl ConfirmedPublisher {
    /// Opens a confirm channel, however long it takes until the broker is there.
    ///
    /// # Errors
    /// [`LinkError`] when the broker refuses confirms on the open channel.
    pub async fn open(link: &Link) -> Result<Self, LinkError> {
        let channel = link.channel().await;
        link.step(channel.confirm_select(ConfirmSelectOptions::default()))
            .await?;
        Ok(Self {
            link: link.clone(),
            channel,
        })
    }

    /// Sends messages in order, mandatory, without waiting for the confirms.
    ///
    /// # Errors
    /// [`LinkError`]: any of the messages may have reached the broker, and the channel is of no more use.
    pub async fn send(&mut self, messages: Vec<Outgoing<'_>>) -> Result<InFlight, LinkError> {
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let channel = &self.channel;
        let mut writes = Vec::with_capacity(messages.len());
        for message in messages {
            let mut write = Box::pin(maybe_done(channel.basic_publish(
                message.exchange.into(),
                message.routing_key.into(),
                options,
                message.body,
                message.properties,
            )));
            // The first poll numbers and queues the message, the rest only waits for the socket:
            // polling in turn keeps the order without a round trip to the I/O thread for each.
            if poll!(write.as_mut()).is_pending() {
                tracing::trace!("a message waits for the socket");
            }
            writes.push(write);
        }
        let mut confirms = Vec::with_capacity(writes.len());
        for mut write in writes {
            let written = async {
                write.as_mut().await;
                write.as_mut().take_output().transpose()
            };
            confirms.extend(self.link.step(written).await?);
        }
        Ok(InFlight {
            link: self.link.clone(),
            confirms,
        })
    }

    /// Sends messages and waits until the broker has confirmed every one of them.
    ///
    /// # Errors
    /// [`LinkError`]: any of the messages may have reached the broker, and the channel is of no more use.
    pub async fn publish(&mut self, messages: Vec<Outgoing<'_>>) -> Result<Receipt, LinkError> {
        self.send(messages).await?.settle().await
    }
}

impl InFlight {
    /// Waits for all confirms; the time limit counts from one confirm to the next.
    ///
    /// # Errors
    /// [`LinkError`]: the messages may have reached the broker.
    pub async fn settle(self) -> Result<Receipt, LinkError> {
        let mut receipt = Receipt {
            accepted: Vec::with_capacity(self.confirms.len()),
            returned: HashSet::new(),
        };
        for confirm in self.confirms {
            let (accepted, returned) = match self.link.step(confirm).await? {
                Confirmation::Ack(returned) => (true, returned),
                Confirmation::Nack(returned) => (false, returned),
                // Cannot happen on a confirm channel; if it does, nothing is known of the message.
                Confirmation::NotRequested => (false, None),
            };
            receipt.accepted.push(accepted);
            receipt.returned.extend(returned.as_ref().and_then(id_of));
        }
        Ok(receipt)
    }
}

fn id_of(message: &BasicReturnMessage) -> Option<String> {
    let id = message.delivery.properties.message_id().as_ref()?;
    Some(id.as_str().to_owned())
}
