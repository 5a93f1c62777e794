//! What people do to a task: mark it done, hand it on, edit it, cancel it.

use axum::{
    extract::Path,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use platform::{
    auth::{NoFields, ProtectedForm},
    ui::{PageProblem, Section, Toast},
};
use serde::Deserialize;

use super::{
    convert,
    file::{field_errors, pick},
    views::{AssignPage, CancelTaskPage, EditTaskPage, Pick, TaskForm},
    visitor::{Visitor, address},
};
use crate::{
    app::{
        command::{self, CommandError, Done},
        detail::{self, Detail},
        people,
    },
    domain::{
        id::UserId,
        person::Caller,
        task::{Refusal, Task},
        text::{Content, Field, Typed},
    },
};

const WHO_COMPLETES: &str = "Only its performer, managers and administrators mark a task done.";
const WHO_ASSIGNS: &str = "Only managers and administrators choose a performer.";
const WHO_CHANGES: &str = "Only its author, managers and administrators edit or cancel a task.";

/// `POST /tasks/T-<number>/complete`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Completion {
    /// The address of the list that the button stood in.
    back: String,
}

pub(super) async fn complete(
    visitor: Visitor,
    Path(task): Path<String>,
    ProtectedForm(sent): ProtectedForm<Completion>,
) -> Result<Response, Response> {
    let detail = read(&visitor, &task).await?;
    let outcome = command::complete(&visitor.state.app, detail.task.id, visitor.caller()).await;
    let done = outcome.map_err(|error| visitor.refuse_command(&error, WHO_COMPLETES))?;
    let page = format!("/tasks/{}", detail.number);
    let toast = match done {
        Done::Now => Toast::new(format!("{} is done.", detail.number)),
        Done::Before => Toast::new(format!("{} was done already.", detail.number)),
    };
    let toast = toast.with_link(page.as_str(), "Show");
    Ok(visitor.return_to(&sent.back, &page, &toast))
}

/// `GET /tasks/T-<number>/assign`.
pub(super) async fn assign_form(
    visitor: Visitor,
    Path(task): Path<String>,
) -> Result<Response, Response> {
    let detail = read(&visitor, &task).await?;
    try_assign(visitor.caller(), detail.task)
        .map_err(|refusal| visitor.refuse_rule(refusal, WHO_ASSIGNS))?;
    let page = assign_page(&visitor, &detail, Pick::Chosen(None), None).await?;
    Ok(page.into_response())
}

/// Before anything of a form is read or shown: whoever may not choose a performer learns nothing of them.
fn try_assign(caller: Caller, mut trial: Task) -> Result<(), Refusal> {
    trial
        .assign(caller, caller.id, trial.last_event_at)
        .map(drop)
}

/// `POST /tasks/T-<number>/assign`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Assignment {
    /// The time of the newest event that the form was made with, in microseconds.
    seen: String,
    pick: String,
    performer: String,
}

pub(super) async fn assign(
    visitor: Visitor,
    Path(task): Path<String>,
    ProtectedForm(sent): ProtectedForm<Assignment>,
) -> Result<Response, Response> {
    let detail = read(&visitor, &task).await?;
    try_assign(visitor.caller(), detail.task)
        .map_err(|refusal| visitor.refuse_rule(refusal, WHO_ASSIGNS))?;
    let (app, caller, id) = (&visitor.state.app, visitor.caller(), detail.task.id);
    let pick = pick(&sent.pick, &sent.performer);
    let outcome = match pick {
        Pick::Chosen(None) => {
            let missing = "Choose a person, or let one be picked at random.";
            return retry_assign(&visitor, &detail, pick, missing).await;
        }
        Pick::Chosen(Some(performer)) => command::assign(app, id, caller, UserId(performer)).await,
        Pick::Random => {
            let seen = sent
                .seen
                .parse()
                .ok()
                .and_then(DateTime::from_timestamp_micros);
            let seen: DateTime<Utc> = seen.unwrap_or_default();
            command::redraw(app, id, caller, seen).await
        }
    };
    match outcome {
        Ok(Done::Now) => {
            let toast = Toast::new(format!("{} has a new performer.", detail.number));
            Ok(visitor.go_to(&format!("/tasks/{}", detail.number), &toast))
        }
        Ok(Done::Before) => {
            let toast = Toast::new(format!("{} was with them already.", detail.number));
            Ok(visitor.go_to(&format!("/tasks/{}", detail.number), &toast))
        }
        Err(CommandError::NotEligible) => {
            let why = "This person cannot be a performer now.";
            retry_assign(&visitor, &detail, pick, why).await
        }
        Err(error) => Err(visitor.refuse_command(&error, WHO_ASSIGNS)),
    }
}

async fn retry_assign(
    visitor: &Visitor,
    detail: &Detail,
    pick: Pick,
    why: &str,
) -> Result<Response, Response> {
    let page = assign_page(visitor, detail, pick, Some(why.to_owned())).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn assign_page(
    visitor: &Visitor,
    detail: &Detail,
    pick: Pick,
    error: Option<String>,
) -> Result<AssignPage, Response> {
    let app = &visitor.state.app;
    let current = detail.task.performer();
    let read = async {
        tokio::try_join!(
            people::choices(app),
            people::names(app, current.map(|user| user.0)),
        )
    };
    let (performers, names) = read.await.map_err(|error| visitor.fail(&error))?;
    Ok(AssignPage {
        shell: visitor.shell(Section::Tasks),
        number: detail.number.get(),
        current: current.map(|user| convert::person_among(&names, user)),
        seen: detail.task.last_event_at.timestamp_micros(),
        eligible: u64::try_from(app.performers.current().len()).unwrap_or(u64::MAX),
        performers: performers.iter().map(convert::person).collect(),
        pick,
        error,
        fee: detail.price.as_ref().map(convert::fee),
    })
}

/// `GET /tasks/T-<number>/edit`.
pub(super) async fn edit_form(
    visitor: Visitor,
    Path(task): Path<String>,
) -> Result<Response, Response> {
    let detail = read(&visitor, &task).await?;
    try_edit(visitor.caller(), detail.task)
        .map_err(|refusal| visitor.refuse_rule(refusal, WHO_CHANGES))?;
    let page = EditTaskPage {
        shell: visitor.shell(Section::Tasks),
        number: detail.number.get(),
        form: TaskForm {
            title: detail.title,
            description: detail.description,
            reference: detail.reference.unwrap_or_default(),
            ..TaskForm::default()
        },
    };
    Ok(page.into_response())
}

/// Before anything of a form is read: whoever may not edit is told so, whatever they sent.
fn try_edit(caller: Caller, mut trial: Task) -> Result<(), Refusal> {
    trial
        .edit(caller, vec![Field::Title], trial.last_event_at)
        .map(drop)
}

/// `POST /tasks/T-<number>/edit`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Edit {
    title: String,
    description: String,
    reference: String,
}

pub(super) async fn edit(
    visitor: Visitor,
    Path(task): Path<String>,
    ProtectedForm(sent): ProtectedForm<Edit>,
) -> Result<Response, Response> {
    let detail = read(&visitor, &task).await?;
    try_edit(visitor.caller(), detail.task)
        .map_err(|refusal| visitor.refuse_rule(refusal, WHO_CHANGES))?;
    let typed = Typed {
        title: &sent.title,
        description: &sent.description,
        reference: &sent.reference,
    };
    let content = match Content::try_new(typed) {
        Ok(content) => content,
        Err(wrong) => {
            let page = EditTaskPage {
                shell: visitor.shell(Section::Tasks),
                number: detail.number.get(),
                form: TaskForm {
                    title: sent.title,
                    description: sent.description,
                    reference: sent.reference,
                    errors: field_errors(wrong),
                    ..TaskForm::default()
                },
            };
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let app = &visitor.state.app;
    let outcome = command::edit(app, detail.task.id, visitor.caller(), &content).await;
    outcome.map_err(|error| visitor.refuse_command(&error, WHO_CHANGES))?;
    let toast = Toast::new(format!("{} saved.", detail.number));
    Ok(visitor.go_to(&format!("/tasks/{}", detail.number), &toast))
}

/// `GET /tasks/T-<number>/cancel`: asks first.
pub(super) async fn cancel_form(
    visitor: Visitor,
    Path(task): Path<String>,
) -> Result<Response, Response> {
    let detail = read(&visitor, &task).await?;
    let mut trial = detail.task;
    let outcome = trial.cancel(visitor.caller(), detail.task.last_event_at);
    outcome.map_err(|refusal| visitor.refuse_rule(refusal, WHO_CHANGES))?;
    let page = CancelTaskPage {
        shell: visitor.shell(Section::Tasks),
        number: detail.number.get(),
        title: detail.title,
    };
    Ok(page.into_response())
}

/// `POST /tasks/T-<number>/cancel`.
pub(super) async fn cancel(
    visitor: Visitor,
    Path(task): Path<String>,
    ProtectedForm(NoFields {}): ProtectedForm<NoFields>,
) -> Result<Response, Response> {
    let detail = read(&visitor, &task).await?;
    let outcome = command::cancel(&visitor.state.app, detail.task.id, visitor.caller()).await;
    let done = outcome.map_err(|error| visitor.refuse_command(&error, WHO_CHANGES))?;
    let toast = match done {
        Done::Now => Toast::new(format!("{} is cancelled.", detail.number)),
        Done::Before => Toast::new(format!("{} was cancelled already.", detail.number)),
    };
    Ok(visitor.go_to(&format!("/tasks/{}", detail.number), &toast))
}

/// The task that the address names, or the page that says that there is none.
async fn read(visitor: &Visitor, task: &str) -> Result<Detail, Response> {
    let nothing = || visitor.refuse(PageProblem::not_found());
    let address = address(task).ok_or_else(nothing)?;
    let read = detail::find(&visitor.state.app, address).await;
    read.map_err(|error| visitor.fail(&error))?
        .ok_or_else(nothing)
}
