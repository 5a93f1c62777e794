//! A replay fills gaps, rebuilds caches when asked to, and books nothing twice.

use std::process::ExitCode;

use anyhow::Result;
use chrono::TimeDelta;
use contracts::{
    Message as _,
    identity::{Role, UserChanged, UserCreated},
    tasks::TaskChanged,
    topology::FINANCE_TASKS,
};
use platform::{
    maintenance::Maintenance,
    replay::{From, ReplayOptions, Source},
};
use uuid::Uuid;

use crate::support::{
    builders::{assigned, id, noon, user},
    finance::Finance,
    waiting::until,
};

/// Everything that is kept.
pub(super) fn options() -> ReplayOptions {
    ReplayOptions {
        source: Source::Archive,
        from: From::First,
        only: Vec::new(),
        again: false,
        accept_deletions: 0,
    }
}

/// Five assignments that never reach Finance's queue but are in the archive.
async fn five_lost(finance: &mut Finance, performer: Uuid) -> Result<()> {
    finance.stop().await;
    for seconds in 0..5 {
        finance
            .broker
            .publish(&assigned(id(), performer, seconds))
            .await?;
        finance.next_from(FINANCE_TASKS.name).await?;
    }
    finance.resume().await
}

#[tokio::test]
async fn a_replay_applies_what_never_arrived_and_nothing_twice() -> Result<()> {
    let mut finance = Finance::start().await?;
    let performer = id();
    five_lost(&mut finance, performer).await?;
    let arrived = assigned(id(), performer, 9);
    finance.broker.publish(&arrived).await?;
    finance.until_movements(performer, 1).await?;
    let replay = || finance.maintain(Maintenance::Replay(options()));
    let (one, other) = tokio::join!(replay(), replay());
    assert_eq!([one?, other?], [ExitCode::SUCCESS; 2]);
    assert_eq!(finance.movements(performer).await?.len(), 6);
    assert_eq!(replay().await?, ExitCode::SUCCESS);
    assert_eq!(finance.movements(performer).await?.len(), 6);
    finance.finish().await
}

#[tokio::test]
async fn a_replay_takes_only_the_keys_it_is_told() -> Result<()> {
    let mut finance = Finance::start().await?;
    let performer = id();
    five_lost(&mut finance, performer).await?;
    let others = ReplayOptions {
        only: vec![TaskChanged::KEY.to_owned()],
        ..options()
    };
    finance.maintain(Maintenance::Replay(others)).await?;
    assert_eq!(finance.movements(performer).await?.len(), 0);
    finance.finish().await
}

#[tokio::test]
async fn a_replay_that_was_interrupted_goes_on_where_it_was() -> Result<()> {
    let mut finance = Finance::start().await?;
    let performer = id();
    five_lost(&mut finance, performer).await?;
    let interrupted = "INSERT INTO replay (queue, plan, next_offset, started_at, updated_at) \
                       VALUES ('finance.tasks', 'from first, all keys', 2, now(), now())";
    sqlx::query(interrupted)
        .execute(&finance.database.owned)
        .await?;
    finance.maintain(Maintenance::Replay(options())).await?;
    assert_eq!(finance.movements(performer).await?.len(), 3);
    assert_eq!(finance.database.count("replay", "true").await?, 0);
    // Done, so the same command begins anew.
    finance.maintain(Maintenance::Replay(options())).await?;
    assert_eq!(finance.movements(performer).await?.len(), 5);
    finance.finish().await
}

/// A task with a title and a booked fee, whose title Finance has lost.
async fn without_title(finance: &Finance) -> Result<(Uuid, Uuid)> {
    let (task_uuid, performer) = (id(), id());
    finance.know_task(task_uuid, "Mend the roof");
    let timestamp = noon();
    let changed = TaskChanged {
        task_uuid,
        timestamp,
    };
    finance.broker.publish(&changed).await?;
    finance
        .broker
        .publish(&assigned(task_uuid, performer, 1))
        .await?;
    finance.until_movements(performer, 1).await?;
    finance.until_title(task_uuid, "Mend the roof").await?;
    sqlx::query("DELETE FROM task_cache")
        .execute(&finance.database.owned)
        .await?;
    Ok((task_uuid, performer))
}

#[tokio::test]
async fn caches_are_rebuilt_from_the_archive_when_asked_to_and_money_is_not() -> Result<()> {
    let finance = Finance::start().await?;
    let (task, performer) = without_title(&finance).await?;
    finance.maintain(Maintenance::Replay(options())).await?;
    assert_eq!(finance.title(task).await?, None);
    let again = ReplayOptions {
        again: true,
        ..options()
    };
    finance.maintain(Maintenance::Replay(again)).await?;
    finance.until_title(task, "Mend the roof").await?;
    assert_eq!(finance.movements(performer).await?.len(), 1);
    finance.finish().await
}

/// The rows of both caches, but for the time at which they were fetched.
async fn cached(finance: &Finance) -> Result<Vec<String>> {
    let query = "SELECT (to_jsonb(task) - 'fetched_at')::text AS row FROM task_cache task UNION ALL \
                 SELECT (to_jsonb(person) - 'fetched_at')::text FROM user_cache person ORDER BY row";
    Ok(sqlx::query_scalar(query)
        .fetch_all(&finance.database.owned)
        .await?)
}

/// A person who was created and changed, and a task of theirs, both known to Finance.
async fn person_with_task(finance: &Finance) -> Result<()> {
    let (user_id, task_uuid) = (id(), id());
    let [created, timestamp] = [noon(), noon() + TimeDelta::seconds(5)];
    let roles = [Role::Employee];
    finance.peers.add_user(user(user_id, &roles, timestamp));
    let created = UserCreated {
        user_id,
        timestamp: created,
    };
    finance.broker.publish(&created).await?;
    let changed = UserChanged { user_id, timestamp };
    finance.broker.publish(&changed).await?;
    finance.know_task(task_uuid, "Mend the roof");
    let changed = TaskChanged {
        task_uuid,
        timestamp: noon(),
    };
    finance.broker.publish(&changed).await?;
    // The guard is that of the change: in one batch with it, an assignment would be the newest event.
    finance.until_title(task_uuid, "Mend the roof").await?;
    let booked = assigned(task_uuid, user_id, 1);
    finance.broker.publish(&booked).await?;
    let known = format!(
        "user_id = '{user_id}' AND guard = '{}'",
        timestamp.to_rfc3339()
    );
    until("the person is known", || async {
        Ok(finance.database.count("user_cache", &known).await? == 1)
    })
    .await?;
    finance.until_movements(user_id, 1).await
}

#[tokio::test]
async fn archives_and_sources_rebuild_the_same_caches_and_book_nothing() -> Result<()> {
    let finance = Finance::start().await?;
    for _ in 0..3 {
        person_with_task(&finance).await?;
    }
    let before = cached(&finance).await?;
    assert_eq!(before.len(), 6);
    for source in [Source::Archive, Source::Rest] {
        sqlx::raw_sql("DELETE FROM task_cache; DELETE FROM user_cache")
            .execute(&finance.database.owned)
            .await?;
        let rebuild = Maintenance::Replay(ReplayOptions {
            source,
            again: true,
            ..options()
        });
        finance.maintain(rebuild.clone()).await?;
        finance.maintain(rebuild).await?;
        let rebuilt = || async { Ok(cached(&finance).await? == before) };
        until("the caches are rebuilt", rebuilt).await?;
        assert_eq!(finance.database.count("transfer", "true").await?, 3);
        assert_eq!(finance.database.count("task_price", "true").await?, 3);
    }
    finance.finish().await
}
