//! `GET /tasks/T-<number>`.

use axum::{
    extract::Path,
    response::{IntoResponse, Redirect, Response},
};
use platform::ui::{PageProblem, Section};

use super::{
    convert,
    views::TaskPage,
    visitor::{Visitor, address},
};
use crate::app::detail::{self, Address};

/// One task with its history. By its id it is found too, and leads to the address with the number.
pub(super) async fn page(visitor: Visitor, Path(task): Path<String>) -> Result<Response, Response> {
    let nothing = || visitor.refuse(PageProblem::not_found());
    let address = address(&task).ok_or_else(nothing)?;
    let read = detail::story(&visitor.state.app, address).await;
    let story = read
        .map_err(|error| visitor.fail(&error))?
        .ok_or_else(nothing)?;
    if let Address::Id(_) = address {
        return Ok(Redirect::to(&format!("/tasks/{}", story.detail.number)).into_response());
    }
    let page = TaskPage {
        shell: visitor.shell(Section::Tasks),
        task: convert::detail(&story),
        history: convert::history(&story),
        price: convert::price(&story),
        rights: convert::rights(story.detail.task.rights(visitor.caller())),
    };
    Ok(page.into_response())
}
