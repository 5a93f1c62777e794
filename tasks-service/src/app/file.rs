//! Filing a task (T1, T2).

use crate::{
    app::App,
    domain::{
        assignment::{Pick, draw},
        id::{TaskId, TaskNumber, UserId},
        person::Caller,
        task::{Refusal, Task},
        text::Content,
    },
    messaging::publish,
    store::{self, StoreError, tasks::Filing},
};

/// A task as its author wrote it.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Made with the form, so that a form sent twice files one task.
    pub id: TaskId,
    pub by: Caller,
    pub content: Content,
    /// A performer chosen by a manager or administrator; otherwise one is drawn.
    pub chosen: Option<UserId>,
}

/// What became of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filed {
    /// A new task, with this number.
    New(TaskNumber),
    /// The same draft had been filed before, under this number.
    Before(TaskNumber),
}

/// Why a task was not filed.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The form was sent before with other texts, or the id is somebody else's.
    #[error("the id of the draft belongs to another task")]
    IdTaken,
    /// The caller may not choose a performer.
    #[error("the task refuses")]
    Refused(#[from] Refusal),
    /// The chosen performer may not be handed tasks.
    #[error("the chosen performer is not eligible")]
    NotEligible,
    /// The store failed.
    #[error("the task cannot be stored")]
    Store(#[from] StoreError),
}

/// Files a task and hands it to somebody; with nobody eligible it waits.
#[tracing::instrument(name = "app.task.file", skip_all, fields(task.id = %draft.id, user.id = %draft.by.id))]
pub async fn file(app: &App, draft: &Draft) -> Result<Filed, FileError> {
    if let Some(performer) = draft.chosen {
        let filed = try_file(app, draft, Pick::Chosen(performer)).await?;
        return filed.ok_or(FileError::NotEligible);
    }
    if app.performers.current().is_empty() {
        app.performers.refresh(&app.db, &app.eligibility).await?;
    }
    if let Some(filed) = try_file(app, draft, draw_performer(app)).await? {
        return Ok(filed);
    }
    // Who was drawn has just become ineligible. One more draw from the list as it is now; and if that
    // fails too the task waits, and the job of redraws hands it out in a moment.
    app.performers.refresh(&app.db, &app.eligibility).await?;
    if let Some(filed) = try_file(app, draft, draw_performer(app)).await? {
        return Ok(filed);
    }
    let filed = try_file(app, draft, Pick::Drawn(None)).await?;
    app.people_changed.wake();
    filed.ok_or(FileError::IdTaken)
}

fn draw_performer(app: &App) -> Pick {
    Pick::Drawn(draw(&app.performers.current(), &mut app.sources.rng()))
}

/// `None` when the picked performer is not eligible, or not any more.
async fn try_file(app: &App, draft: &Draft, pick: Pick) -> Result<Option<Filed>, FileError> {
    let (task, events) = Task::file(draft.id, draft.by, pick, app.sources.now())?;
    let messages = publish::messages(&app.sources, &events);
    let filing = Filing {
        task: &task,
        content: &draft.content,
        events: &events,
        messages: &messages,
    };
    if let Some(number) = store::tasks::file(&app.db, filing, &app.eligibility).await? {
        app.outbox.wake();
        tracing::info!(%number, waits = task.performer().is_none(), "a task was filed");
        return Ok(Some(Filed::New(number)));
    }
    filed_before(app, draft).await
}

async fn filed_before(app: &App, draft: &Draft) -> Result<Option<Filed>, FileError> {
    let Some((number, author)) = store::tasks::number_and_author(&app.db, draft.id).await? else {
        return Ok(None);
    };
    let content = store::tasks::content(&app.db, draft.id).await?;
    if author != draft.by.id || content.as_ref() != Some(&draft.content) {
        return Err(FileError::IdTaken);
    }
    tracing::info!(%number, "the same draft was filed before");
    Ok(Some(Filed::Before(number)))
}
