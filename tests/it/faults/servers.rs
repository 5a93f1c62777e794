//! The servers themselves are killed under load, or run short of memory and disk.

use std::{net::TcpListener, time::Duration};

use anyhow::{Context as _, Result, ensure};
use platform::{
    operations::audit::Operator,
    parked::{self, Selection},
    sources::Sources,
};
use tokio::time::sleep;

use super::{
    chain::Chain,
    poison::{heal, plant},
    rounds,
};
use crate::support::{
    builders::id,
    environment::{environment, xtask},
    waiting::until,
};

/// RabbitMQ 3.10 loses queues that are younger than a moment when it is killed.
const REST: Duration = Duration::from_secs(3);

/// Used again within a second, a connection of the test's own pool is not asked whether it still lives.
const TRUSTED: Duration = Duration::from_secs(1);

#[tokio::test]
async fn the_broker_is_killed_under_load() -> Result<()> {
    let mut chain = Chain::start().await?;
    let port = environment().amqp_url.port().context("a port")?;
    for _ in 0..rounds() {
        chain.send(20).await?;
        sleep(REST).await;
        chain.send_during(xtask(&["kill", "rabbitmq"])).await??;
        TcpListener::bind(("127.0.0.1", port)).context("a killed server holds its port")?;
        chain.send(100).await?;
        ensure!(
            chain.waiting().await? > 200,
            "everything is accepted meanwhile"
        );
        chain.send_during(xtask(&["start", "rabbitmq"])).await??;
        chain.broker.reconnect().await?;
        // It lets clients in before all its queues are there, and refuses what is meant for them.
        chain.broker.declare().await?;
        chain.send(20).await?;
        chain.until_handled().await?;
    }
    chain.finish_in_any_order().await
}

#[tokio::test]
async fn the_database_server_is_killed_under_load() -> Result<()> {
    let mut chain = Chain::start().await?;
    // From the second on it was started by a process that has ended, so that nobody waits for its end.
    for _ in 0..2 * rounds() {
        chain.send(200).await?;
        ensure!(
            chain.handled().await? < chain.sent.ids.len(),
            "nothing is under way"
        );
        xtask(&["kill", "postgres"]).await?;
        xtask(&["start", "postgres"]).await?;
        sleep(TRUSTED).await;
        chain.send(20).await?;
    }
    chain.finish().await
}

/// Tasks has filed `tasks` tasks and the broker has all of their messages; Finance does not run yet.
async fn with_the_broker(tasks: usize) -> Result<Chain> {
    let mut chain = Chain::prepare().await?;
    chain.tasks.service.start()?;
    chain.send(tasks).await?;
    until("everything is with the broker", || async {
        Ok(chain.waiting().await? == 0)
    })
    .await?;
    Ok(chain)
}

/// While the broker takes nothing, what it has is still delivered, and what is new is accepted.
async fn under_an_alarm(alarm: &[&str], relief: &[&str]) -> Result<()> {
    let mut chain = with_the_broker(50).await?;
    let tool = ["rabbitmqctl", "--"];
    xtask(&[tool.as_slice(), alarm].concat()).await?;

    chain.finance.service.start()?;
    chain.until_handled().await?;
    let handled = chain.handled().await?;
    chain.send(50).await?;
    // Many times as long as they take on their way when nothing stops them.
    sleep(Duration::from_secs(2)).await;
    ensure!(chain.waiting().await? == chain.sent.ids.len() - handled);
    ensure!(chain.handled().await? == handled);

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

#[tokio::test]
async fn a_message_that_fails_while_the_broker_takes_nothing_is_parked_and_holds_nobody_up()
-> Result<()> {
    let mut chain = with_the_broker(20).await?;
    let ill = *chain.sent.tasks.first().context("20 tasks were sent")?;
    plant(&chain, &format!("NEW.task_uuid = '{ill}'")).await?;
    let limit = async |limit| xtask(&["rabbitmqctl", "--", "set_disk_free_limit", limit]).await;
    limit("1000000GB").await?;
    chain.finance.service.start()?;
    chain.until_handled().await?;
    let without_copy = "reason LIKE '%the broker took no copy to try it again'";
    let parked = chain.finance_data.count("parked_message", without_copy);
    ensure!(parked.await? > 0);

    limit("1GB").await?;
    heal(&chain).await?;
    let finance = chain.finance_data.connect().await?;
    let operator = Operator {
        id: id(),
        name: "Somebody".to_owned(),
    };
    parked::retry(&finance, &Sources::system(), &operator, Selection::All).await?;
    finance.close().await?;
    chain.finish().await
}
