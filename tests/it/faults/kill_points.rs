//! The real process is killed at each point at which a message is in two places or in none.

use anyhow::{Result, ensure};

use super::{chain::Chain, poison};
use crate::support::{
    proxy::{Moment, Side},
    waiting::until,
};

/// Tasks of one round: about two and a half messages each.
const TASKS: usize = 20;

/// The relay takes what the broker confirmed out of the outbox.
const REMOVAL: Moment = Moment::Statement("DELETE FROM outbox WHERE position");

#[tokio::test]
async fn killed_before_a_message_is_published_the_relay_publishes_it_later() -> Result<()> {
    let mut chain = Chain::start().await?;
    let stopped = chain.tasks.broker.stop_at(Side::Before, Moment::Publish, 1);
    chain.send(TASKS).await?;
    stopped.reached().await?;
    ensure!(chain.waiting().await? == chain.sent.ids.len());
    ensure!(chain.handled().await? == 0);

    chain.tasks.crash()?;
    chain.finish().await
}

#[tokio::test]
async fn killed_in_the_middle_of_a_batch_the_relay_publishes_all_of_it_again() -> Result<()> {
    let mut chain = Chain::prepare().await?;
    // Written before the relay runs, so that it reads them as one batch.
    chain.send(TASKS).await?;
    let stopped = chain
        .tasks
        .broker
        .stop_at(Side::Before, Moment::Publish, 12);
    chain.tasks.service.start()?;
    chain.finance.service.start()?;
    stopped.reached().await?;
    ensure!(chain.waiting().await? == chain.sent.ids.len());

    chain.tasks.crash()?;
    chain.finish().await
}

#[tokio::test]
async fn killed_before_the_confirm_the_relay_publishes_again_and_nothing_counts_twice() -> Result<()>
{
    let mut chain = Chain::start().await?;
    let stopped = chain.tasks.broker.stop_at(Side::Before, Moment::Confirm, 1);
    chain.send(TASKS).await?;
    stopped.reached().await?;
    ensure!(chain.waiting().await? == chain.sent.ids.len());

    chain.tasks.crash()?;
    chain.finish().await
}

#[tokio::test]
async fn killed_after_the_confirm_before_the_removal_nothing_counts_twice() -> Result<()> {
    let mut chain = Chain::start().await?;
    let stopped = chain.tasks.database.stop_at(Side::Before, REMOVAL, 1);
    chain.send(1).await?;
    stopped.reached().await?;
    // Finance has them all, and still they wait to be published.
    chain.until_handled().await?;
    ensure!(chain.waiting().await? == chain.sent.ids.len());

    chain.tasks.crash()?;
    chain.send(TASKS).await?;
    chain.finish().await
}

#[tokio::test]
async fn killed_after_the_removal_before_its_answer_nothing_is_missing() -> Result<()> {
    let mut chain = Chain::start().await?;
    let stopped = chain.tasks.database.stop_at(Side::After, REMOVAL, 1);
    chain.send(TASKS).await?;
    stopped.reached().await?;

    chain.tasks.crash()?;
    chain.finish().await
}

#[tokio::test]
async fn killed_before_the_commit_finance_has_applied_nothing_and_applies_it_later() -> Result<()> {
    let mut chain = Chain::start().await?;
    let noting = Moment::Statement("INSERT INTO inbox");
    let stopped = chain.finance.database.stop_at(Side::After, noting, 1);
    chain.send(TASKS).await?;
    stopped.reached().await?;
    ensure!(chain.handled().await? == 0);

    chain.finance.crash()?;
    chain.finish().await
}

#[tokio::test]
async fn killed_before_the_answer_to_a_commit_nothing_counts_twice() -> Result<()> {
    let mut chain = Chain::start().await?;
    let commit = Moment::CommitOf("INSERT INTO inbox");
    let stopped = chain.finance.database.stop_at(Side::After, commit, 1);
    chain.send(TASKS).await?;
    stopped.reached().await?;
    until("the commit is done", || async {
        Ok(chain.handled().await? > 0)
    })
    .await?;

    chain.finance.crash()?;
    chain.finish().await
}

#[tokio::test]
async fn killed_after_the_commit_before_the_acknowledgement_nothing_counts_twice() -> Result<()> {
    let mut chain = Chain::start().await?;
    let stopped = chain
        .finance
        .broker
        .stop_at(Side::Before, Moment::Acknowledge, 1);
    chain.send(TASKS).await?;
    stopped.reached().await?;
    ensure!(chain.handled().await? > 0);

    chain.finance.crash()?;
    chain.finish().await
}

/// Kills finance at `moment` of handing messages over to their retry queue.
async fn killed_in_a_hand_over(side: Side, moment: Moment) -> Result<()> {
    let mut chain = Chain::start().await?;
    poison::plant(&chain, "true").await?;
    let stopped = chain.finance.broker.stop_at(side, moment, 1);
    chain.send(1).await?;
    stopped.reached().await?;
    ensure!(chain.handled().await? == 0);

    chain.finance.service.kill()?;
    poison::heal(&chain).await?;
    chain.finance.mend();
    chain.finance.service.start()?;
    chain.send(TASKS).await?;
    chain.finish().await
}

#[tokio::test]
async fn killed_before_the_copy_for_a_retry_is_published_the_original_is_still_there() -> Result<()>
{
    killed_in_a_hand_over(Side::Before, Moment::Publish).await
}

#[tokio::test]
async fn killed_before_the_copy_for_a_retry_is_confirmed_nothing_counts_twice() -> Result<()> {
    killed_in_a_hand_over(Side::Before, Moment::Confirm).await
}

#[tokio::test]
async fn killed_when_the_copy_for_a_retry_is_safe_and_the_original_not_yet_gone() -> Result<()> {
    killed_in_a_hand_over(Side::Before, Moment::Acknowledge).await
}
