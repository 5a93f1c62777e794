//! Each link is cut, reset, delayed, throttled and silenced, while messages go on being written and people join.

use anyhow::{Context as _, Result};
use tokio::time::sleep;

use super::{chain::Chain, rounds};
use crate::support::{
    proxy::{FAULTS, Flow, LASTS, Moment, Proxy, Side},
    waiting::until,
};

/// Tasks written before and after each fault.
const TASKS: usize = 10;
/// People who join before and after it.
const PEOPLE: usize = 2;

/// Breaks a link in every way, one after the other.
async fn every_fault(link: fn(&Chain) -> &Proxy) -> Result<()> {
    let mut chain = Chain::start().await?;
    for _ in 0..rounds() {
        for fault in FAULTS {
            chain.send(TASKS).await?;
            chain.join(PEOPLE).await?;
            fault.strike(link(&chain)).await;
            chain.send(TASKS).await?;
            chain.join(PEOPLE).await?;
            sleep(LASTS).await;
            link(&chain).mend();
        }
    }
    chain.finish().await
}

#[tokio::test]
async fn from_tasks_to_the_broker() -> Result<()> {
    every_fault(|chain| &chain.tasks.broker).await
}

#[tokio::test]
async fn from_the_broker_to_finance() -> Result<()> {
    every_fault(|chain| &chain.finance.broker).await
}

#[tokio::test]
async fn from_tasks_to_its_database() -> Result<()> {
    every_fault(|chain| &chain.tasks.database).await
}

#[tokio::test]
async fn from_finance_to_its_database() -> Result<()> {
    every_fault(|chain| &chain.finance.database).await
}

#[tokio::test]
async fn from_tasks_to_its_peers() -> Result<()> {
    every_fault(|chain| &chain.tasks.peers).await
}

#[tokio::test]
async fn from_finance_to_its_peers() -> Result<()> {
    every_fault(|chain| &chain.finance.peers).await
}

#[tokio::test]
async fn from_tasks_to_the_issuer_of_its_tokens() -> Result<()> {
    every_fault(|chain| &chain.tasks.issuer).await
}

#[tokio::test]
async fn from_finance_to_the_issuer_of_its_tokens() -> Result<()> {
    every_fault(|chain| &chain.finance.issuer).await
}

#[tokio::test]
async fn a_broker_that_falls_silent_is_given_up_and_dialled_again() -> Result<()> {
    let mut chain = Chain::start().await?;
    chain.send(TASKS).await?;
    chain.until_handled().await?;
    for node in [&chain.tasks, &chain.finance] {
        node.broker.set_both(Flow::Hold);
    }
    chain.send(TASKS).await?;
    for (node, words) in [
        (&chain.tasks, "the broker connection is given up"),
        (&chain.finance, "subscribing again"),
    ] {
        until(&format!("it says: {words}"), || async {
            Ok(node.service.has_said(words) > 0)
        })
        .await
        .with_context(|| node.service.log_tail())?;
        node.mend();
    }
    chain.finish().await
}

#[tokio::test]
async fn a_subscription_that_is_never_answered_keeps_no_message() -> Result<()> {
    let mut chain = Chain::prepare().await?;
    chain.tasks.service.start()?;
    chain.send(TASKS).await?;
    // Those of the start: tasks of the board, people, and the dead letters of both.
    let first_of_the_growing = 5;
    let broker = &chain.finance.broker;
    let stopped = broker.stop_at(Side::Before, Moment::Subscribed, first_of_the_growing);
    chain.finance.service.start()?;
    stopped.reached().await?;
    until("finance gives it up", || async {
        Ok(chain.finance.service.has_said("subscribing again") > 0)
    })
    .await?;
    chain.finance.mend();
    chain.finish().await
}

#[tokio::test]
async fn a_database_that_falls_silent_is_given_up_and_dialled_again() -> Result<()> {
    let mut chain = Chain::start().await?;
    chain.send(TASKS).await?;
    chain.until_handled().await?;
    for node in [&chain.tasks, &chain.finance] {
        node.database.set_both(Flow::Hold);
    }
    chain.send(TASKS).await?;
    for node in [&chain.tasks, &chain.finance] {
        until("the relay gives its connection up", || async {
            Ok(node.service.has_said("the database did not answer in time") > 0)
        })
        .await?;
        node.mend();
    }
    chain.finish().await
}
