//! The commands that change a task (T4): lock, decide, save, tell.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::{
    app::App,
    domain::{
        assignment::draw,
        id::{TaskId, UserId},
        person::Caller,
        task::{Outcome, Refusal, Task},
        text::Content,
    },
    messaging::publish,
    store::{self, StoreError, tasks::Change},
};

/// Whether a command had something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// The task changed.
    Now,
    /// The task was so already.
    Before,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such task.
    #[error("there is no such task")]
    NotFound,
    /// The rules of the task do not allow it.
    #[error("the task refuses")]
    Refused(#[from] Refusal),
    /// The chosen performer may not be handed tasks.
    #[error("the chosen performer is not eligible")]
    NotEligible,
    /// The store failed.
    #[error("the task cannot be stored")]
    Store(#[from] StoreError),
}

/// Marks a task done.
#[tracing::instrument(name = "app.task.complete", skip_all, fields(task.id = %task, user.id = %by.id))]
pub async fn complete(app: &App, task: TaskId, by: Caller) -> Result<Done, CommandError> {
    let txn = store::begin(&app.db).await?;
    change(app, txn, task, |task, now| task.complete(by, now)).await
}

/// Calls a task off.
#[tracing::instrument(name = "app.task.cancel", skip_all, fields(task.id = %task, user.id = %by.id))]
pub async fn cancel(app: &App, task: TaskId, by: Caller) -> Result<Done, CommandError> {
    let txn = store::begin(&app.db).await?;
    change(app, txn, task, |task, now| task.cancel(by, now)).await
}

/// Hands a task to a chosen performer, who must be eligible.
#[tracing::instrument(name = "app.task.assign", skip_all, fields(task.id = %task, user.id = %by.id))]
pub async fn assign(
    app: &App,
    task: TaskId,
    by: Caller,
    performer: UserId,
) -> Result<Done, CommandError> {
    let txn = store::begin(&app.db).await?;
    ensure_eligible(app, &txn, performer).await?;
    change(app, txn, task, |task, now| task.assign(by, performer, now)).await
}

/// Hands a task to somebody drawn at random, unless it changed after the moment `seen`.
#[tracing::instrument(name = "app.task.redraw", skip_all, fields(task.id = %task, user.id = %by.id))]
pub async fn redraw(
    app: &App,
    task: TaskId,
    by: Caller,
    seen: DateTime<Utc>,
) -> Result<Done, CommandError> {
    app.performers.refresh(&app.db, &app.eligibility).await?;
    let draw = draw(&app.performers.current(), &mut app.sources.rng());
    let txn = store::begin(&app.db).await?;
    if let Some(draw) = draw {
        ensure_eligible(app, &txn, draw.performer).await?;
    }
    change(app, txn, task, |task, now| {
        task.redraw_for(by, draw, seen, now)
    })
    .await
}

/// Replaces the texts of a task.
#[tracing::instrument(name = "app.task.edit", skip_all, fields(task.id = %id, user.id = %by.id))]
pub async fn edit(
    app: &App,
    id: TaskId,
    by: Caller,
    content: &Content,
) -> Result<Done, CommandError> {
    let txn = store::begin(&app.db).await?;
    let mut task = lock(&txn, id).await?;
    let old = store::tasks::content(&txn, id)
        .await?
        .ok_or(CommandError::NotFound)?;
    let outcome = task.edit(by, old.changes_to(content), app.sources.now())?;
    if let Outcome::Applied(_) = outcome {
        store::tasks::save_content(&txn, id, content).await?;
    }
    finish(app, txn, task, outcome).await
}

async fn ensure_eligible(
    app: &App,
    txn: &DatabaseTransaction,
    performer: UserId,
) -> Result<(), CommandError> {
    let eligible = store::performers::lock_eligible(txn, &app.eligibility, &[performer]).await?;
    if eligible.contains(&performer) {
        Ok(())
    } else {
        Err(CommandError::NotEligible)
    }
}

async fn change(
    app: &App,
    txn: DatabaseTransaction,
    id: TaskId,
    decide: impl FnOnce(&mut Task, DateTime<Utc>) -> Result<Outcome, Refusal>,
) -> Result<Done, CommandError> {
    let mut task = lock(&txn, id).await?;
    let outcome = decide(&mut task, app.sources.now())?;
    finish(app, txn, task, outcome).await
}

async fn lock(txn: &DatabaseTransaction, id: TaskId) -> Result<Task, CommandError> {
    store::tasks::lock(txn, id)
        .await?
        .ok_or(CommandError::NotFound)
}

/// Saves what was decided together with its message, and wakes the relay.
async fn finish(
    app: &App,
    txn: DatabaseTransaction,
    task: Task,
    outcome: Outcome,
) -> Result<Done, CommandError> {
    let Outcome::Applied(event) = outcome else {
        tracing::info!("the task was so already");
        return Ok(Done::Before);
    };
    let messages = publish::messages(&app.sources, [&event]);
    store::tasks::save(&txn, &[Change { task, event }], &messages).await?;
    store::commit(txn).await?;
    app.outbox.wake();
    tracing::info!("the task was changed");
    Ok(Done::Now)
}
