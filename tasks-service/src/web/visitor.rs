//! Somebody who is logged in and asks for a page: rights, frame, and the answers when something is wrong.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use contracts::identity::Role;
use platform::{
    auth::Principal,
    http::RequestId,
    ui::{PageProblem, Section, Shell, Toast, Visit, is_local},
};

use crate::{
    app::{StoreError, command::CommandError, detail::Address},
    domain::{
        id::{TaskId, UserId},
        person::{Authority, Caller},
        task::Refusal,
    },
    failure::{self, Failure},
    state::PageState,
};

/// The roles that may do everything with every task (T4).
pub(super) const LEADS: [Role; 2] = [Role::Manager, Role::Administrator];

/// The person behind a request, with all that an answer to them needs.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) state: PageState,
    pub(super) principal: Principal,
    pub(super) visit: Visit,
    request_id: String,
}

impl FromRequestParts<PageState> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &PageState) -> Result<Self, Response> {
        let principal = Principal::from_request_parts(parts, state).await?;
        let visit: Result<Visit, Infallible> = Visit::from_request_parts(parts, state).await;
        let Ok(visit) = visit;
        let request_id = parts.extensions.get::<RequestId>();
        Ok(Self {
            state: state.clone(),
            principal,
            visit,
            request_id: request_id.map(|id| id.0.clone()).unwrap_or_default(),
        })
    }
}

impl Visitor {
    /// The person as the rules of tasks see them.
    pub(super) fn caller(&self) -> Caller {
        let authority = if self.principal.has_any(&LEADS) {
            Authority::Lead
        } else {
            Authority::Member
        };
        Caller {
            id: UserId(self.principal.user_id()),
            authority,
        }
    }

    /// The frame of a page of this section.
    pub(super) fn shell(&self, section: Section) -> Shell {
        let now = self.state.app.sources.now();
        let viewer = self.principal.viewer();
        Shell::new(&self.state.site, self.visit.clone(), viewer, now).at(section)
    }

    /// A page that says what is wrong.
    pub(super) fn refuse(&self, problem: PageProblem) -> Response {
        problem.within(self.shell(Section::Tasks)).into_response()
    }

    /// The page for a failure of ours.
    pub(super) fn fail(&self, error: &StoreError) -> Response {
        match failure::log(error) {
            Failure::Unavailable => self.refuse(PageProblem::unavailable()),
            Failure::Internal => self.refuse(PageProblem::internal(self.request_id.clone())),
        }
    }

    /// The page for a command that was not carried out; `who` says who may give it.
    pub(super) fn refuse_command(&self, error: &CommandError, who: &'static str) -> Response {
        match error {
            CommandError::NotFound => self.refuse(PageProblem::not_found()),
            CommandError::Refused(refusal) => self.refuse_rule(*refusal, who),
            CommandError::NotEligible => self.refuse(PageProblem::conflict(
                "This person cannot be a performer any more.",
            )),
            CommandError::Store(error) => self.fail(error),
        }
    }

    /// The page for a rule that speaks against a command; `who` says who may give it.
    pub(super) fn refuse_rule(&self, refusal: Refusal, who: &'static str) -> Response {
        tracing::info!(%refusal, "a command was refused");
        self.refuse(match refusal {
            Refusal::NotAllowed => PageProblem::forbidden(who),
            Refusal::Completed => PageProblem::conflict("The task is done, and that is final."),
            Refusal::Cancelled => {
                PageProblem::conflict("The task was cancelled, and that is final.")
            }
            Refusal::NoPerformer => {
                PageProblem::conflict("The task still waits for a performer: nobody can have done it.")
            }
            Refusal::NobodyEligible => {
                PageProblem::conflict("Nobody can be a performer now. Nothing was changed.")
            }
            Refusal::ChangedMeanwhile => PageProblem::conflict(
                "The task has changed since the form was opened. Nothing was changed by it: look at \
                 the task and decide again.",
            ),
        })
    }

    /// After an action: on to `path`, also out of a dialog, with a message.
    pub(super) fn go_to(&self, path: &str, toast: &Toast) -> Response {
        self.visit.go_to(path, toast)
    }

    /// After an action inside a page: back to where the form says it was, or else to `path`.
    pub(super) fn return_to(&self, back: &str, path: &str, toast: &Toast) -> Response {
        let back = if is_local(back) { back } else { path };
        self.visit.return_to(back, toast)
    }
}

/// Reads the part of an address that names a task: `T-123`, or the id that messages use.
pub(super) fn address(text: &str) -> Option<Address> {
    if let Ok(number) = text.parse() {
        return Some(Address::Number(number));
    }
    let id = text.parse().ok()?;
    Some(Address::Id(TaskId(id)))
}
