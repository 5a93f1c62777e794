//! The broker as an administrator uses it.

use anyhow::{Context as _, Result};
use contracts::topology::{FINANCE_TASKS, TASKS_FINANCE};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{QueueDeclareOptions, QueuePurgeOptions},
    types::FieldTable,
};
use serde_json::Value;

use crate::{environment::Environment, http};

/// A connection with the rights of the administrator.
#[derive(Debug)]
pub(crate) struct Broker {
    connection: Connection,
}

impl Broker {
    pub(crate) async fn connect(environment: &Environment) -> Result<Self> {
        let uri = environment.amqp_url.as_str();
        let connection = Connection::connect(uri, ConnectionProperties::default()).await?;
        Ok(Self { connection })
    }

    pub(crate) async fn channel(&self) -> Result<Channel> {
        Ok(self.connection.create_channel().await?)
    }

    /// How many messages wait for Finance.
    pub(crate) async fn waiting(&self) -> Result<u32> {
        let channel = self.channel().await?;
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let name = FINANCE_TASKS.name.into();
        let queue = channel.queue_declare(name, options, FieldTable::default());
        let waiting = queue.await?.message_count();
        channel.close(200, "done".into()).await?;
        Ok(waiting)
    }

    /// Forgets what waits for Finance, and the prices that wait for the task board.
    pub(crate) async fn purge(&self) -> Result<()> {
        let channel = self.channel().await?;
        for queue in [FINANCE_TASKS, TASKS_FINANCE] {
            let options = QueuePurgeOptions::default();
            channel.queue_purge(queue.name.into(), options).await?;
        }
        Ok(channel.close(200, "done".into()).await?)
    }
}

/// The version of RabbitMQ.
pub(crate) async fn version(environment: &Environment) -> Result<String> {
    let account = &environment.amqp_url;
    let url = environment.rabbitmq_management_url.join("api/overview")?;
    let asked = http::client()?
        .get(url)
        .basic_auth(account.username(), account.password());
    let overview: Value = asked.send().await?.json().await?;
    let version = overview.get("rabbitmq_version").and_then(Value::as_str);
    Ok(version.context("RabbitMQ tells no version")?.to_owned())
}
