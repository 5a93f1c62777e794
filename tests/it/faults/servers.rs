//! The servers themselves are killed under load, or run short of memory and disk.

use std::{net::TcpListener, time::Duration};

use anyhow::{Context as _, Result, ensure};
use tokio::time::sleep;

use super::chain::Chain;
use crate::support::{
    environment::{environment, xtask},
    waiting::until,
};

/// RabbitMQ 3.10 loses queues that are younger than a moment when it is killed.
const REST: Duration = Duration::from_secs(3);

#[tokio::test]
async fn the_broker_is_killed_under_load() -> Result<()> {
    let mut chain = Chain::start().await?;
    chain.send(20).await?;
    sleep(REST).await;
    chain.send(200).await?;
    xtask(&["kill", "rabbitmq"]).await?;
    let port = environment().amqp_url.port().context("a port")?;
    TcpListener::bind(("127.0.0.1", port)).context("a killed server holds its port")?;
    chain.send(100).await?;
    ensure!(
        chain.waiting().await? > 200,
        "everything is accepted meanwhile"
    );
    xtask(&["start", "rabbitmq"]).await?;
    chain.broker.reconnect().await?;
    // It lets clients in before all its queues are there.
    chain.broker.declare().await?;
    chain.send(20).await?;
    chain.finish().await
}

#[tokio::test]
async fn the_database_server_is_killed_under_load() -> Result<()> {
    let mut chain = Chain::start().await?;
    chain.send(200).await?;
    // The second one was started by a process that has ended, so that nobody waits for its end.
    for _ in 0..2 {
        xtask(&["kill", "postgres"]).await?;
        xtask(&["start", "postgres"]).await?;
        chain.send(20).await?;
    }
    chain.finish().await
}

/// While the broker takes nothing, what it has is still delivered, and what is new is accepted.
async fn under_an_alarm(alarm: &[&str], relief: &[&str]) -> Result<()> {
    let mut chain = Chain::prepare().await?;
    chain.tasks.service.start()?;
    chain.send(50).await?;
    until("everything is with the broker", || async {
        Ok(chain.waiting().await? == 0)
    })
    .await?;
    let tool = ["rabbitmqctl", "--"];
    xtask(&[tool.as_slice(), alarm].concat()).await?;

    chain.finance.service.start()?;
    chain.until_handled().await?;
    chain.send(50).await?;
    let (later, all) = (chain.waiting().await?, chain.sent.ids.len());
    ensure!(chain.handled().await? < all, "{later} messages wait");

    xtask(&[tool.as_slice(), relief].concat()).await?;
    chain.finish().await
}

#[tokio::test]
async fn consumers_go_on_while_the_broker_is_short_of_memory() -> Result<()> {
    under_an_alarm(
        &["set_vm_memory_high_watermark", "absolute", "1MB"],
        &["set_vm_memory_high_watermark", "0.3"],
    )
    .await
}

#[tokio::test]
async fn consumers_go_on_while_the_broker_is_short_of_disk() -> Result<()> {
    under_an_alarm(
        &["set_disk_free_limit", "1000000GB"],
        &["set_disk_free_limit", "1GB"],
    )
    .await
}
