//! The real process is killed at each point at which a message is in two places or in none.

use anyhow::{Result, ensure};

use super::{
    chain::{Chain, End, Node},
    poison,
};
use crate::support::{
    proxy::{Moment, Side, Stopped},
    waiting::until,
};

/// Tasks of one round: about two and a half messages each.
const TASKS: usize = 20;

/// People of one round.
const PEOPLE: usize = 10;

/// The relay takes what the broker confirmed out of the outbox.
const REMOVAL: Moment = Moment::Statement("DELETE FROM outbox WHERE position");

/// Stops a link of each service, when it comes to what `stop` waits for.
fn stop_each(chain: &Chain, stop: impl Fn(&Node) -> Stopped) -> [(End, Stopped); 2] {
    End::BOTH.map(|end| (end, stop(chain.node(end))))
}

/// Waits until something that a service has said is heard by the other one.
async fn until_heard_from(chain: &Chain, end: End) -> Result<()> {
    until(&format!("{end:?} is heard"), || async {
        Ok(chain.heard_by(end.other()).await? > 0)
    })
    .await
}

#[tokio::test]
async fn killed_before_a_message_is_published_the_relay_publishes_it_later() -> Result<()> {
    let mut chain = Chain::start().await?;
    let publish = |node: &Node| node.broker.stop_at(Side::Before, Moment::Publish, 1);
    let stops = stop_each(&chain, publish);
    chain.send(TASKS).await?;
    for (end, stopped) in stops {
        stopped.reached().await?;
        ensure!(chain.everything_waits(end).await?, "{end:?}");
        ensure!(chain.heard_by(end.other()).await? == 0, "{end:?}");

        chain.node_mut(end).crash()?;
    }
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
    let confirm = |node: &Node| node.broker.stop_at(Side::Before, Moment::Confirm, 1);
    let stops = stop_each(&chain, confirm);
    chain.send(TASKS).await?;
    for (end, stopped) in stops {
        stopped.reached().await?;
        until_heard_from(&chain, end).await?;
        ensure!(chain.everything_waits(end).await?, "{end:?}");

        chain.node_mut(end).crash()?;
    }
    chain.finish().await
}

#[tokio::test]
async fn killed_after_the_confirm_before_the_removal_nothing_counts_twice() -> Result<()> {
    let mut chain = Chain::start().await?;
    let stops = stop_each(&chain, |node| {
        node.database.stop_at(Side::Before, REMOVAL, 1)
    });
    chain.send(TASKS).await?;
    for (end, stopped) in stops {
        stopped.reached().await?;
        // What the other one has heard waits to be published, too.
        until_heard_from(&chain, end).await?;
        ensure!(chain.everything_waits(end).await?, "{end:?}");

        chain.node_mut(end).crash()?;
    }
    chain.finish().await
}

#[tokio::test]
async fn killed_after_the_removal_before_its_answer_nothing_is_missing() -> Result<()> {
    let mut chain = Chain::start().await?;
    let stops = stop_each(&chain, |node| {
        node.database.stop_at(Side::After, REMOVAL, 1)
    });
    chain.send(TASKS).await?;
    for (end, stopped) in stops {
        stopped.reached().await?;
        until("the removal is done", || async {
            Ok(!chain.everything_waits(end).await?)
        })
        .await?;

        chain.node_mut(end).crash()?;
    }
    chain.finish().await
}

#[tokio::test]
async fn killed_before_the_commit_a_consumer_has_applied_nothing_and_applies_it_later() -> Result<()>
{
    let mut chain = Chain::start().await?;
    let noting = Moment::Statement("INSERT INTO inbox");
    let stops = stop_each(&chain, |node| {
        node.database.stop_at(Side::After, noting.clone(), 1)
    });
    chain.send(TASKS).await?;
    for (end, stopped) in stops.into_iter().rev() {
        stopped.reached().await?;
        ensure!(chain.heard_by(end).await? == 0, "{end:?}");

        chain.node_mut(end).crash()?;
    }
    chain.finish().await
}

#[tokio::test]
async fn killed_before_the_answer_to_a_commit_nothing_counts_twice() -> Result<()> {
    let mut chain = Chain::start().await?;
    let commit = Moment::CommitOf("INSERT INTO inbox");
    let stops = stop_each(&chain, |node| {
        node.database.stop_at(Side::After, commit.clone(), 1)
    });
    chain.send(TASKS).await?;
    for (end, stopped) in stops.into_iter().rev() {
        stopped.reached().await?;
        until("the commit is done", || async {
            Ok(chain.heard_by(end).await? > 0)
        })
        .await?;

        chain.node_mut(end).crash()?;
    }
    chain.finish().await
}

/// Stops each service before it acknowledges something for the first time from now on.
fn stop_before_acknowledging(chain: &Chain) -> [(End, Stopped); 2] {
    stop_each(chain, |node| {
        node.broker.stop_at(Side::Before, Moment::Acknowledge, 1)
    })
}

#[tokio::test]
async fn killed_after_the_commit_before_the_acknowledgement_nothing_counts_twice() -> Result<()> {
    let mut chain = Chain::start().await?;
    let stops = stop_before_acknowledging(&chain);
    chain.send(TASKS).await?;
    for (end, stopped) in stops.into_iter().rev() {
        stopped.reached().await?;
        ensure!(chain.heard_by(end).await? > 0, "{end:?}");

        chain.node_mut(end).crash()?;
    }
    chain.finish().await
}

#[tokio::test]
async fn killed_after_the_commit_before_the_acknowledgement_nobody_is_forgotten_or_comes_twice()
-> Result<()> {
    let mut chain = Chain::start().await?;
    let stops = stop_before_acknowledging(&chain);
    chain.join(PEOPLE).await?;
    for (end, stopped) in stops {
        stopped.reached().await?;
        ensure!(chain.heard_of_people(end).await? > 0, "{end:?}");

        chain.node_mut(end).crash()?;
    }
    chain.send(TASKS).await?;
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

    chain.finance.kill()?;
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
