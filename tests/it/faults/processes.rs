//! Processes that are killed again and again, frozen, and doubled; and rows that commit late.

use std::time::Duration;

use anyhow::{Context as _, Result};
use platform::outbox;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, TransactionTrait as _,
};
use tokio::time::sleep;

use super::{
    chain::{Chain, Node},
    rounds,
};
use crate::support::{
    proxy::{Flow, Moment, Side},
    waiting::until,
};

/// Tasks of which a batch is made.
const TASKS: usize = 10;

/// Kills of one round.
const KILLS: usize = 6;

/// Longer than the relay looks at a gap in the positions of the outbox.
const LONG_TRANSACTION: Duration = Duration::from_secs(12);

#[tokio::test]
async fn killed_again_and_again_at_any_moment() -> Result<()> {
    let mut chain = Chain::start().await?;
    let mut rng = StdRng::seed_from_u64(4);
    for _ in 0..KILLS * rounds() {
        chain.send(15).await?;
        sleep(Duration::from_millis(rng.random_range(0..400))).await;
        let node = if rng.random_bool(0.5) {
            &mut chain.tasks
        } else {
            &mut chain.finance
        };
        node.crash()?;
    }
    chain.finish().await
}

#[tokio::test]
async fn frozen_for_seconds_under_load() -> Result<()> {
    let mut chain = Chain::start().await?;
    chain.send(50).await?;
    chain.tasks.service.freeze()?;
    chain.send(50).await?;
    sleep(Duration::from_secs(3)).await;
    chain.finance.service.freeze()?;
    chain.tasks.service.thaw()?;
    chain.send(50).await?;
    sleep(Duration::from_secs(3)).await;
    chain.finance.service.thaw()?;
    chain.finish().await
}

#[tokio::test]
async fn several_replicas_share_the_work_while_each_is_killed() -> Result<()> {
    let mut chain = Chain::start().await?;
    let mut second_tasks = chain.second_tasks().await?;
    let mut second_finance = chain.second_finance().await?;
    second_tasks.service.start()?;
    second_finance.service.start()?;
    for _ in 0..rounds() {
        chain.send(60).await?;
        chain.tasks.crash()?;
        second_finance.crash()?;
        chain.send(60).await?;
        second_tasks.crash()?;
        chain.finance.crash()?;
    }
    chain.until_handled().await?;
    second_tasks.service.stop().await?;
    second_finance.service.stop().await?;
    chain.finish().await
}

/// Ends the sessions of all relays at the database: nobody has the lead any more.
async fn depose(chain: &Chain) -> Result<()> {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'relay'";
    sqlx::query(sql).execute(&chain.tasks_data.owned).await?;
    Ok(())
}

/// Lets `blind` lead on without hearing that it has lost the lead to `other`.
async fn two_leaders(chain: &mut Chain, blind: &Node, other: &Node) -> Result<()> {
    let led = other.service.has_said("this process relays the outbox");
    blind.database.set_both(Flow::Hold);
    depose(chain).await?;
    chain.send(20).await?;
    until("the other one leads", || async {
        Ok(other.service.has_said("this process relays the outbox") > led)
    })
    .await
    .with_context(|| other.service.log_tail())?;
    chain.send(20).await?;
    blind.mend();
    chain.send(20).await
}

#[tokio::test]
async fn two_relays_that_both_believe_to_lead_lose_nothing_and_double_nothing() -> Result<()> {
    let mut chain = Chain::start().await?;
    let mut first = chain.second_tasks().await?;
    let mut second = chain.second_tasks().await?;
    // The chain's own steps aside, so that the two can be told from it.
    chain.tasks.service.kill()?;
    first.service.start()?;
    until("the first one leads", || async {
        Ok(first.service.has_said("this process relays the outbox") > 0)
    })
    .await?;
    second.service.start()?;
    for _ in 0..rounds() {
        chain.send(20).await?;
        two_leaders(&mut chain, &first, &second).await?;
        two_leaders(&mut chain, &second, &first).await?;
    }
    chain.until_handled().await?;
    first.service.stop().await?;
    second.service.stop().await?;
    chain.tasks.service.start()?;
    chain.finish().await
}

/// A transaction that may be idle for as long as it takes.
async fn begin_slowly(outbox: &DatabaseConnection) -> Result<DatabaseTransaction> {
    let slow = outbox.begin().await?;
    slow.execute_unprepared("SET LOCAL idle_in_transaction_session_timeout = 0")
        .await?;
    Ok(slow)
}

#[tokio::test]
async fn rows_that_commit_long_after_later_ones_are_published_all_the_same() -> Result<()> {
    let mut chain = Chain::start().await?;
    let (messages, outbox) = chain.task();
    let slow = begin_slowly(outbox).await?;
    outbox::append(&slow, &messages).await?;
    chain.send(50).await?;
    until("all others are handled", || async {
        Ok(chain.handled().await? == chain.sent.ids.len() - messages.len())
    })
    .await?;
    sleep(LONG_TRANSACTION).await;
    chain.send(5).await?;
    slow.commit().await?;
    chain.finish().await
}

#[tokio::test]
async fn rows_of_many_transactions_that_commit_in_any_order_are_published_once() -> Result<()> {
    let mut chain = Chain::start().await?;
    for _ in 0..10 {
        let (messages, outbox) = chain.task();
        let slow = begin_slowly(outbox).await?;
        outbox::append(&slow, &messages).await?;
        chain.send(3).await?;
        slow.commit().await?;
    }
    chain.finish().await
}

#[tokio::test]
async fn rows_of_one_task_leave_in_order_although_the_first_commits_after_later_positions()
-> Result<()> {
    let mut chain = Chain::prepare().await?;
    let (messages, outbox) = chain.task();
    let outbox = outbox.clone();
    let (first, later) = messages.split_at(1);
    let slow = begin_slowly(&outbox).await?;
    outbox::append(&slow, first).await?;
    chain.send(5).await?;
    chain.tasks.service.start()?;
    until("all others are published", || async {
        Ok(chain.waiting().await? == 0)
    })
    .await?;
    slow.commit().await?;
    let soon = outbox.begin().await?;
    outbox::append(&soon, later).await?;
    soon.commit().await?;
    chain.finance.service.start()?;
    chain.finish().await
}

#[tokio::test]
async fn a_replica_that_is_gone_in_the_middle_of_a_batch_holds_nobody_up() -> Result<()> {
    let mut chain = Chain::start().await?;
    let mut other = chain.second_finance().await?;
    let stopped =
        chain
            .finance
            .database
            .stop_at(Side::After, Moment::Statement("INSERT INTO inbox"), 1);
    chain.send(TASKS).await?;
    stopped.reached().await?;
    // The broker hears that it is gone. The database does not, and keeps its rows locked for a while.
    chain.finance.service.freeze()?;
    chain.finance.broker.close();
    other.service.start()?;
    chain.until_handled().await?;
    chain.finance.service.thaw()?;
    chain.finance.mend();
    other.service.stop().await?;
    chain.finish().await
}
