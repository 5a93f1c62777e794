//! A task finds its performer, keeps one whatever happens to people, and says so in order (DESIGN.md T2, T5, T7).

use anyhow::Result;
use contracts::{
    identity::{Role, UserChanged},
    tasks::{TaskAssigned, TaskChanged, TaskCompleted},
};
use tasks_service::app::command::{CommandError, Done};

use crate::support::tasks::Board;

#[tokio::test]
async fn a_new_task_has_a_performer_and_is_told_in_two_messages_of_growing_time() -> Result<()> {
    let board = Board::start().await?;
    let performer = board.person(&[Role::Employee]).await?;
    let task = board.file(performer).await?;

    assert_eq!(board.performer(task).await?, Some(performer));
    let (first, second) = (board.next_raw().await?, board.next_raw().await?);
    let mut told = [first, second];
    told.sort_by(|a, b| a.routing_key.as_str().cmp(b.routing_key.as_str()));
    let assigned: TaskAssigned = contracts::decode(&told[0].data)?;
    let changed: TaskChanged = contracts::decode(&told[1].data)?;
    assert_eq!(
        (assigned.task_uuid, assigned.assigned_to, changed.task_uuid),
        (task, performer, task)
    );
    assert_ne!(assigned.timestamp, changed.timestamp);
    board.finish().await
}

#[tokio::test]
async fn only_those_who_are_eligible_are_drawn_and_every_one_of_them() -> Result<()> {
    let board = Board::start().await?;
    let manager = board.person(&[Role::Employee, Role::Manager]).await?;
    board.person(&[Role::Employee, Role::Administrator]).await?;
    let employee = board.person(&[Role::Employee]).await?;
    let accountant = board.person(&[Role::Employee, Role::Accountant]).await?;
    let mut drawn = Vec::new();
    // With two candidates, 40 draws of the same one happen once in 10^12 runs.
    for _ in 0..40 {
        let task = board.file(manager).await?;
        drawn.extend(board.performer(task).await?);
        board.next_raw().await?;
        board.next_raw().await?;
    }
    drawn.sort_unstable();
    drawn.dedup();
    let mut eligible = vec![employee, accountant];
    eligible.sort_unstable();
    assert_eq!(drawn, eligible);
    board.finish().await
}

#[tokio::test]
async fn with_nobody_eligible_a_task_waits_until_somebody_is() -> Result<()> {
    let board = Board::start().await?;
    let manager = board.person(&[Role::Employee, Role::Manager]).await?;
    let task = board.file(manager).await?;
    assert_eq!(board.performer(task).await?, None);
    board.next::<TaskChanged>().await?;

    let employee = board.person(&[Role::Employee]).await?;
    assert_eq!(board.next_performer(task, None).await?, employee);
    assert_eq!(board.next::<TaskAssigned>().await?.assigned_to, employee);
    board.finish().await
}

#[tokio::test]
async fn the_open_tasks_of_somebody_deleted_go_to_others() -> Result<()> {
    let board = Board::start().await?;
    let first = board.person(&[Role::Employee]).await?;
    let task = board.file(first).await?;
    board.next_raw().await?;
    board.next_raw().await?;
    let second = board.person(&[Role::Employee]).await?;
    board.delete(first).await?;

    assert_eq!(board.next_performer(task, Some(first)).await?, second);
    assert_eq!(board.next::<TaskAssigned>().await?.assigned_to, second);
    board.finish().await
}

#[tokio::test]
async fn the_open_tasks_of_somebody_disabled_go_to_others() -> Result<()> {
    let board = Board::start().await?;
    let first = board.person(&[Role::Employee]).await?;
    let task = board.file(first).await?;
    board.next_raw().await?;
    board.next_raw().await?;
    let second = board.person(&[Role::Employee]).await?;
    board.disable(first).await?;

    assert_eq!(board.next_performer(task, Some(first)).await?, second);
    assert_eq!(board.next::<TaskAssigned>().await?.assigned_to, second);
    board.finish().await
}

#[tokio::test]
async fn a_late_change_does_not_bring_somebody_deleted_back() -> Result<()> {
    let board = Board::start().await?;
    let person = board.person(&[Role::Employee]).await?;
    board.delete(person).await?;
    let timestamp = board.tick();
    board
        .broker
        .publish(&UserChanged {
            user_id: person,
            timestamp,
        })
        .await?;
    // Messages of one queue are handled in their order: the next person comes after the change.
    let other = board.person(&[Role::Employee]).await?;

    let task = board.file(person).await?;
    assert_eq!(board.performer(task).await?, Some(other));
    assert_eq!(board.database.count("user_cache", "is_deleted").await?, 1);
    board.next_raw().await?;
    board.next_raw().await?;
    board.finish().await
}

#[tokio::test]
async fn completing_twice_is_the_same_as_once() -> Result<()> {
    let board = Board::start().await?;
    let performer = board.person(&[Role::Employee]).await?;
    let task = board.file(performer).await?;
    board.next_raw().await?;
    board.next_raw().await?;
    board.tick();

    assert_eq!(board.complete(task, performer).await?, Done::Now);
    assert_eq!(board.complete(task, performer).await?, Done::Before);
    let completed: TaskCompleted = board.next().await?;
    assert_eq!(
        (completed.task_uuid, completed.assigned_to),
        (task, performer)
    );
    board.finish().await
}

#[tokio::test]
async fn nobody_completes_the_task_of_another_performer() -> Result<()> {
    let board = Board::start().await?;
    let performer = board.person(&[Role::Employee]).await?;
    let task = board.file(performer).await?;
    board.next_raw().await?;
    board.next_raw().await?;
    let stranger = board.person(&[Role::Employee]).await?;

    let refused = board.complete(task, stranger).await;
    assert!(
        matches!(refused, Err(CommandError::Refused(_))),
        "{refused:?}"
    );
    board.finish().await
}
