//! A virtual host of its own for each test, with the whole topology and the rights of the product.

use anyhow::{Context as _, Result, ensure};
use contracts::{
    Message,
    topology::{self, Publisher},
};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    message::BasicGetMessage,
    options::{
        BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
        ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};
use platform::{
    config::Secret,
    rabbit::{Broker, BrokerConfig},
    sources::Sources,
};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;
use xtask::facts::{BROKER_ACCOUNTS, BrokerAccount};

use super::{builders::id, environment::environment, http, waiting::eventually};

/// The password of the accounts that only tests use.
const PASSWORD: &str = "it";

/// A virtual host with a connection that may do everything in it.
#[derive(Debug)]
pub(crate) struct TestBroker {
    vhost: String,
    connection: Connection,
    /// In confirm mode.
    channel: Channel,
}

/// The account that may declare, in one virtual host.
fn setup_url(vhost: &str) -> Url {
    let mut url = environment().amqp_url.clone();
    url.set_path(vhost);
    url
}

async fn declare(url: &Url) -> Result<()> {
    let config = BrokerConfig {
        url: Secret::new(url.as_str()),
        setup_url: Some(Secret::new(url.as_str())),
    };
    Ok(platform::rabbit::declare(&config).await?)
}

impl TestBroker {
    /// Makes the virtual host and declares everything in it.
    pub(crate) async fn create() -> Result<Self> {
        let vhost = format!("it_{}", id().simple());
        manage(Method::PUT, &format!("vhosts/{vhost}"), json!({})).await?;
        let everything = json!({"configure": ".*", "write": ".*", "read": ".*"});
        let administrator = environment().amqp_url.username();
        manage(
            Method::PUT,
            &format!("permissions/{vhost}/{administrator}"),
            everything,
        )
        .await?;
        for BrokerAccount { name, write, read } in BROKER_ACCOUNTS {
            let account = account(name);
            make_account(&account).await?;
            let rights = json!({"configure": "^$", "write": write, "read": read});
            manage(
                Method::PUT,
                &format!("permissions/{vhost}/{account}"),
                rights,
            )
            .await?;
        }
        let url = setup_url(&vhost);
        declare(&url).await?;
        let (connection, channel) = connect(&url).await?;
        Ok(Self {
            vhost,
            connection,
            channel,
        })
    }

    /// Declares everything once more, as a set-up that runs again does.
    pub(crate) async fn declare(&self) -> Result<()> {
        declare(&setup_url(&self.vhost)).await
    }

    /// Connects again after the broker was away; it answers for its health before it takes connections.
    pub(crate) async fn reconnect(&mut self) -> Result<()> {
        let url = setup_url(&self.vhost);
        let dial = || async { Ok(connect(&url).await.ok()) };
        (self.connection, self.channel) = eventually("the broker takes connections", dial).await?;
        Ok(())
    }

    /// What `service` connects with.
    pub(crate) fn url(&self, service: Publisher) -> String {
        let mut url = environment().amqp_url.clone();
        url.set_path(&self.vhost);
        url.set_username(&account(service.exchange()))
            .expect("an AMQP URL has room for an account");
        url.set_password(Some(PASSWORD))
            .expect("an AMQP URL has room for a password");
        url.into()
    }

    /// Connections as a process of `service` has them.
    pub(crate) fn of(&self, service: Publisher, sources: &Sources) -> Result<Broker> {
        let config = BrokerConfig {
            url: Secret::new(self.url(service)),
            setup_url: None,
        };
        Ok(Broker::try_new(&config, service, sources)?)
    }

    /// Publishes `message` as its service would, under a message id of its own.
    pub(crate) async fn publish<M: Message + Sync>(&self, message: &M) -> Result<()> {
        self.publish_as(id(), message).await
    }

    /// Publishes `message` under `message_id`.
    pub(crate) async fn publish_as<M: Message + Sync>(
        &self,
        message_id: Uuid,
        message: &M,
    ) -> Result<()> {
        let body = serde_json::to_vec(message)?;
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(2)
            .with_message_id(message_id.to_string().into())
            .with_type(M::KEY.into());
        self.publish_bytes(M::KEY, properties, &body).await
    }

    /// Publishes any bytes where services publish messages with this `key`.
    pub(crate) async fn publish_bytes(
        &self,
        key: &str,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<()> {
        self.send(&topology::entrance_of_key(key), key, properties, body)
            .await
    }

    /// Puts `body` into `queue`, one of those that `service` reaches through its own exchange.
    pub(crate) async fn publish_to_queue(
        &self,
        service: Publisher,
        queue: &str,
        body: &[u8],
    ) -> Result<()> {
        let properties = BasicProperties::default().with_delivery_mode(2);
        self.publish_to_queue_as(service, queue, properties, body)
            .await
    }

    /// The same with these properties.
    pub(crate) async fn publish_to_queue_as(
        &self,
        service: Publisher,
        queue: &str,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<()> {
        self.send(&topology::queues_exchange(service), queue, properties, body)
            .await
    }

    /// Publishes and waits for the broker's confirm.
    pub(crate) async fn send(
        &self,
        exchange: &str,
        key: &str,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<()> {
        let options = BasicPublishOptions::default();
        let confirm = self
            .channel
            .basic_publish(exchange.into(), key.into(), options, body, properties)
            .await?
            .await?;
        ensure!(confirm.is_ack(), "the broker refused {key}");
        Ok(())
    }

    /// Takes the next message out of `queue`.
    pub(crate) async fn take(&self, queue: &str) -> Result<Option<BasicGetMessage>> {
        let taken = self
            .channel
            .basic_get(queue.into(), BasicGetOptions::default())
            .await?;
        if let Some(message) = &taken {
            message.acker.ack(BasicAckOptions::default()).await?;
        }
        Ok(taken)
    }

    /// Takes the next message out of `queue` as if it had been lost there, and answers its id.
    pub(crate) async fn lose_one(&self, queue: &str) -> Result<Uuid> {
        let next = || self.take(queue);
        let lost = eventually(&format!("a message in {queue}"), next).await?;
        let id = lost.properties.message_id().as_ref();
        Ok(id.context("a message has an id")?.as_str().parse()?)
    }

    /// How many messages wait in `queue`, and how many consumers it has.
    pub(crate) async fn state(&self, queue: &str) -> Result<(u32, u32)> {
        let queue = self.look_at(queue).await?;
        Ok((queue.message_count(), queue.consumer_count()))
    }

    /// How many messages wait in `queue`, not counting those that a consumer holds.
    pub(crate) async fn depth(&self, queue: &str) -> Result<u32> {
        Ok(self.look_at(queue).await?.message_count())
    }

    async fn look_at(&self, queue: &str) -> Result<lapin::Queue> {
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        Ok(self
            .channel
            .queue_declare(queue.into(), options, FieldTable::default())
            .await?)
    }

    /// Deletes a queue with all it holds.
    pub(crate) async fn delete(&self, queue: &str) -> Result<()> {
        let options = QueueDeleteOptions::default();
        self.channel.queue_delete(queue.into(), options).await?;
        Ok(())
    }

    /// Deletes an exchange with everything that is bound to it and by it.
    pub(crate) async fn delete_exchange(&self, exchange: &str) -> Result<()> {
        let options = ExchangeDeleteOptions::default();
        self.channel
            .exchange_delete(exchange.into(), options)
            .await?;
        Ok(())
    }

    /// From now on what comes to `exchange` under `key` goes to `queue`.
    pub(crate) async fn bind(&self, queue: &str, exchange: &str, key: &str) -> Result<()> {
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        self.channel
            .queue_bind(queue.into(), exchange.into(), key.into(), options, none)
            .await?;
        Ok(())
    }

    /// Puts an archive that keeps about `bytes` in the place of a publisher's.
    ///
    /// Of files that are full the broker removes any beyond the limit, also the newest: a file has to be
    /// well below it, or nothing may be left.
    pub(crate) async fn shorten_archive(&self, publisher: Publisher, bytes: i64) -> Result<()> {
        let archive = topology::archive(publisher);
        self.delete(&archive).await?;
        let mut arguments = FieldTable::default();
        let stream = AMQPValue::LongString("stream".into());
        arguments.insert("x-queue-type".into(), stream);
        for (limit, bytes) in [
            ("x-max-length-bytes", bytes),
            ("x-stream-max-segment-size-bytes", bytes / 5),
        ] {
            arguments.insert(limit.into(), AMQPValue::LongLongInt(bytes));
        }
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        self.channel
            .queue_declare(archive.as_str().into(), durable, arguments)
            .await?;
        self.bind(&archive, &topology::entrance(publisher), "")
            .await
    }

    /// The queues in which messages wait; an archive keeps what was read.
    pub(crate) async fn remaining(&self) -> Result<Vec<String>> {
        let archives = Publisher::ALL.map(topology::archive);
        let mut found = Vec::new();
        for queue in topology::queues() {
            if archives.contains(&queue.name) {
                continue;
            }
            let depth = self.depth(&queue.name).await?;
            if depth > 0 {
                found.push(format!("{}: {depth}", queue.name));
            }
        }
        Ok(found)
    }

    /// Deletes the virtual host; one that a failed test leaves behind can be looked at.
    pub(crate) async fn remove(self) -> Result<()> {
        self.connection.close(200, "done".into()).await?;
        manage(
            Method::DELETE,
            &format!("vhosts/{}", self.vhost),
            Value::Null,
        )
        .await
    }
}

/// A connection and a channel in confirm mode.
async fn connect(url: &Url) -> Result<(Connection, Channel)> {
    let connection = Connection::connect(url.as_str(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    Ok((connection, channel))
}

/// The tests' own account with the rights of the real one, whose password is not theirs to know.
fn account(name: &str) -> String {
    format!("it_{name}")
}

/// Makes an account that all tests share. When another test makes it at the same moment the broker refuses
/// this one, and it is there.
async fn make_account(name: &str) -> Result<()> {
    let path = format!("users/{name}");
    let body = json!({"password": PASSWORD, "tags": ""});
    let Err(refusal) = manage(Method::PUT, &path, body).await else {
        return Ok(());
    };
    let found = manage(Method::GET, &path, Value::Null).await;
    found.map_err(|_missing| refusal)
}

/// One call of the management interface.
async fn manage(method: Method, path: &str, body: Value) -> Result<()> {
    let environment = environment();
    let administrator = &environment.amqp_url;
    let url = environment
        .rabbitmq_management_url
        .join(&format!("/api/{path}"))?;
    let answer = http::client()?
        .request(method, url)
        .basic_auth(administrator.username(), administrator.password())
        .json(&body)
        .send()
        .await?;
    ensure!(answer.status().is_success(), "{path}: {}", answer.status());
    Ok(())
}
