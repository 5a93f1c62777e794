//! `GET /tasks/new` and `POST /tasks`.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use platform::{
    auth::ProtectedForm,
    ui::{Section, Toast},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    convert::person,
    views::{FormErrors, NewTaskPage, Pick, TaskForm},
    visitor::{LEADS, Visitor},
};
use crate::{
    app::{
        file::{self, Draft, FileError, Filed},
        people,
    },
    domain::{
        id::{TaskId, UserId},
        text::{Content, ContentErrors, TextError, Typed},
    },
};

/// The form of a new task, as it was sent. What is missing counts as empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NewTask {
    /// The id made with the form.
    task: String,
    title: String,
    description: String,
    reference: String,
    pick: String,
    performer: String,
}

/// The empty form.
pub(super) async fn form(visitor: Visitor) -> Result<NewTaskPage, Response> {
    let id = visitor.state.app.sources.new_id();
    page(&visitor, id, TaskForm::default()).await
}

/// Files the task, or shows the form again with what was typed and what is wrong with it.
pub(super) async fn create(
    visitor: Visitor,
    ProtectedForm(sent): ProtectedForm<NewTask>,
) -> Result<Response, Response> {
    let app = &visitor.state.app;
    let id = sent.task.parse().unwrap_or_else(|_| app.sources.new_id());
    let pick = pick(&sent.pick, &sent.performer);
    let typed = Typed {
        title: &sent.title,
        description: &sent.description,
        reference: &sent.reference,
    };
    let mut errors = FormErrors::default();
    let content = Content::try_new(typed)
        .map_err(|wrong| errors = field_errors(wrong))
        .ok();
    if pick == Pick::Chosen(None) {
        errors.performer = Some("Choose a person, or let one be picked at random.".to_owned());
    }
    let Some(content) = content.filter(|_| errors.is_empty()) else {
        return retry(&visitor, id, sent, pick, errors).await;
    };
    let draft = Draft {
        id: TaskId(id),
        by: visitor.caller(),
        content,
        chosen: match pick {
            Pick::Chosen(performer) => performer.map(UserId),
            Pick::Random => None,
        },
    };
    match file::file(app, &draft).await {
        Ok(Filed::New(number)) => {
            let toast = Toast::new(format!("{number} created."));
            Ok(visitor.go_to(&format!("/tasks/{number}"), &toast))
        }
        Ok(Filed::Before(number)) => {
            let toast = Toast::new(format!("{number} had been created already."));
            Ok(visitor.go_to(&format!("/tasks/{number}"), &toast))
        }
        Err(FileError::IdTaken) => {
            errors.title =
                Some("This form was sent before. Send it again to file one more task.".to_owned());
            retry(&visitor, app.sources.new_id(), sent, pick, errors).await
        }
        Err(FileError::NotEligible) => {
            errors.performer = Some("This person cannot be a performer now.".to_owned());
            retry(&visitor, id, sent, pick, errors).await
        }
        Err(FileError::Refused(refusal)) => Err(visitor.refuse_rule(
            refusal,
            "Only managers and administrators choose a performer.",
        )),
        Err(FileError::Store(error)) => Err(visitor.fail(&error)),
    }
}

/// The form with everything that was typed, and what is wrong with it.
async fn retry(
    visitor: &Visitor,
    id: Uuid,
    sent: NewTask,
    pick: Pick,
    errors: FormErrors,
) -> Result<Response, Response> {
    let form = TaskForm {
        title: sent.title,
        description: sent.description,
        reference: sent.reference,
        pick,
        errors,
    };
    let page = page(visitor, id, form).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn page(visitor: &Visitor, id: Uuid, form: TaskForm) -> Result<NewTaskPage, Response> {
    let app = &visitor.state.app;
    let performers = if visitor.principal.has_any(&LEADS) {
        let choices = people::choices(app).await;
        choices.map_err(|error| visitor.fail(&error))?
    } else {
        Vec::new()
    };
    Ok(NewTaskPage {
        shell: visitor.shell(Section::Tasks),
        id,
        form,
        eligible: u64::try_from(app.performers.current().len()).unwrap_or(u64::MAX),
        performers: performers.iter().map(person).collect(),
    })
}

/// The fields `pick` and `performer` of a form.
pub(super) fn pick(pick: &str, performer: &str) -> Pick {
    match pick {
        "chosen" => Pick::Chosen(performer.parse().ok()),
        _ => Pick::Random,
    }
}

/// A sentence beside each text that cannot be taken.
pub(super) fn field_errors(wrong: ContentErrors) -> FormErrors {
    let sentence = |error: Option<TextError>| error.map(|error| error.to_string());
    FormErrors {
        title: sentence(wrong.title),
        description: sentence(wrong.description),
        reference: sentence(wrong.reference),
        performer: None,
    }
}
