//! Hears what the running services publish, beside the queues of their readers.

use anyhow::{Context as _, Result};
use contracts::{Message, topology::Publisher};
use lapin::{
    Channel, Connection, ConnectionProperties,
    message::BasicGetMessage,
    options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use uuid::Uuid;

use super::{builders::id, environment::environment, waiting::eventually};

/// A queue that dies with its connection and gets a copy of every message of one exchange.
#[derive(Debug)]
pub(crate) struct Listener {
    _connection: Connection,
    channel: Channel,
    queue: String,
}

impl Listener {
    /// Hears what `publisher` says from now on.
    pub(crate) async fn of(publisher: Publisher) -> Result<Self> {
        let connection = Connection::connect(
            environment().amqp_url.as_str(),
            ConnectionProperties::default(),
        )
        .await?;
        let channel = connection.create_channel().await?;
        let queue = format!("it.{}", id().simple());
        let options = QueueDeclareOptions {
            exclusive: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(queue.as_str().into(), options, FieldTable::default())
            .await?;
        let exchange = publisher.exchange();
        let options = QueueBindOptions::default();
        channel
            .queue_bind(
                queue.as_str().into(),
                exchange.into(),
                "#".into(),
                options,
                FieldTable::default(),
            )
            .await?;
        Ok(Self {
            _connection: connection,
            channel,
            queue,
        })
    }

    /// The next message about `entity`, whatever its kind; messages about others are thrown away.
    pub(crate) async fn next_about(&self, entity: Uuid) -> Result<Heard> {
        eventually(&format!("a message about {entity}"), || {
            self.take_about(entity)
        })
        .await
    }

    /// Whether a message about `entity` has come; messages about others are thrown away.
    pub(crate) async fn has_heard_about(&self, entity: Uuid) -> Result<bool> {
        Ok(self.take_about(entity).await?.is_some())
    }

    /// Takes messages out until one is about `entity`, or none is left.
    async fn take_about(&self, entity: Uuid) -> Result<Option<Heard>> {
        let options = BasicGetOptions { no_ack: true };
        while let Some(message) = self
            .channel
            .basic_get(self.queue.as_str().into(), options)
            .await?
        {
            let heard = Heard(message);
            if heard.is_about(&entity.to_string()) {
                return Ok(Some(heard));
            }
        }
        Ok(None)
    }
}

/// A message as it went over the wire.
#[derive(Debug)]
pub(crate) struct Heard(BasicGetMessage);

impl From<BasicGetMessage> for Heard {
    fn from(message: BasicGetMessage) -> Self {
        Self(message)
    }
}

impl Heard {
    /// The routing key.
    pub(crate) fn key(&self) -> &str {
        self.0.routing_key.as_str()
    }

    /// Whether the body names this record.
    pub(crate) fn is_about(&self, entity: &str) -> bool {
        String::from_utf8_lossy(&self.0.data).contains(entity)
    }

    /// The body, which must be one of `M` under the key of `M`.
    pub(crate) fn body<M: Message>(&self) -> Result<M> {
        anyhow::ensure!(
            self.key() == M::KEY,
            "{} came instead of {}",
            self.key(),
            M::KEY
        );
        Ok(contracts::decode(&self.0.data)?)
    }

    /// The message itself.
    pub(crate) fn raw(&self) -> &BasicGetMessage {
        &self.0
    }

    /// The message id, which every service of ours sends.
    pub(crate) fn message_id(&self) -> Result<Uuid> {
        let id = self
            .0
            .properties
            .message_id()
            .as_ref()
            .context("a message has an id")?;
        Ok(id.as_str().parse()?)
    }
}
