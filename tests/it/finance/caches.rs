//! The caches of other services' data are compared with their owners, which may not make everybody vanish.

use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use contracts::identity::Role;
use platform::{
    lifecycle::Lifecycle,
    maintenance::Maintenance,
    metrics,
    replay::{From, ReplayOptions, Source},
    sources::Clock as _,
};
use uuid::Uuid;

use crate::support::{
    builders::{id, user},
    finance::Finance,
    http,
    waiting::until,
};

/// More people than may be found missing at once.
const MANY: usize = 11;

/// Compares with the owners.
fn from_owners(accept_deletions: u64) -> Maintenance {
    Maintenance::Replay(ReplayOptions {
        source: Source::Rest,
        from: From::First,
        only: Vec::new(),
        again: false,
        accept_deletions,
    })
}

/// As many people whom Finance knows.
async fn welcome(finance: &Finance, count: usize) -> Result<Vec<Uuid>> {
    let people: Vec<Uuid> = (0..count).map(|_| id()).collect();
    for person in &people {
        finance.welcome(*person, &[Role::Employee]).await?;
    }
    Ok(people)
}

async fn deleted(finance: &Finance) -> Result<usize> {
    let deleted = finance.database.count("user_cache", "is_deleted").await?;
    Ok(usize::try_from(deleted)?)
}

/// Waits until just so many people are marked as deleted.
async fn until_deleted(finance: &Finance, count: usize) -> Result<()> {
    let what = format!("{count} people are deleted");
    until(&what, || async { Ok(deleted(finance).await? == count) }).await
}

#[tokio::test]
async fn what_no_message_told_is_found_at_the_next_start() -> Result<()> {
    let mut finance = Finance::start().await?;
    let people = welcome(&finance, 3).await?;
    finance.stop().await;
    let (task, [renamed, gone, _]) = (id(), [people[0], people[1], people[2]]);
    finance.know_task(task, "Mend the roof");
    finance
        .peers
        .change_user(renamed, |user| "Renamed".clone_into(&mut user.first_name));
    finance.peers.forget_user(gone);
    finance.resume().await?;
    finance.until_title(task, "Mend the roof").await?;
    until_deleted(&finance, 1).await?;
    for condition in [
        format!("user_id = '{renamed}' AND first_name = 'Renamed'"),
        format!("user_id = '{gone}' AND is_deleted"),
    ] {
        until(&condition, || async {
            Ok(finance.database.count("user_cache", &condition).await? == 1)
        })
        .await?;
    }
    finance.finish().await
}

#[tokio::test]
async fn a_bridge_that_lost_many_is_doubted_until_somebody_accepts_it() -> Result<()> {
    let finance = Finance::start().await?;
    let people = welcome(&finance, MANY + 1).await?;
    for person in &people[..MANY] {
        finance.peers.forget_user(*person);
    }
    // Not even when somebody accepted that fewer are gone.
    for accepted in [0, 10] {
        let refusal = finance.maintain(from_owners(accepted)).await;
        let refusal = refusal.err().context("the comparison stops")?.to_string();
        ensure!(refusal.contains("11 of 12"), "{refusal}");
    }
    let owed = finance.database.count("fetch_pending", "true").await?;
    assert_eq!((deleted(&finance).await?, owed), (0, 0));

    let done = finance.maintain(from_owners(11)).await?;
    assert_eq!(done, ExitCode::SUCCESS);
    until_deleted(&finance, MANY).await?;
    finance.finish().await
}

/// Waits until the service tells its metrics that so many people are missing.
async fn until_told(finance: &Finance, missing: usize) -> Result<()> {
    let line = format!("task_exchange_cache_missing{{kind=\"user\"}} {missing}");
    http::until_metric(finance.listeners().api.address, &line).await
}

#[tokio::test]
async fn the_running_service_raises_an_alarm_while_many_are_missing() -> Result<()> {
    let mut finance = Finance::start().await?;
    let numbers = Lifecycle::new();
    metrics::install(&numbers)?;
    let people = welcome(&finance, MANY + 1).await?;
    finance.stop().await;
    for person in &people[..MANY] {
        finance.peers.forget_user(*person);
    }
    finance.resume().await?;
    until_told(&finance, MANY).await?;
    assert_eq!(deleted(&finance).await?, 0);

    finance.stop().await;
    for person in &people[..MANY] {
        let back = user(*person, &[Role::Employee], finance.clock.now());
        finance.peers.add_user(back);
    }
    finance.resume().await?;
    until_told(&finance, 0).await?;
    numbers.stop_and_wait().await;
    finance.finish().await
}
