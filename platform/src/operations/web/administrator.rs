//! An administrator who asks for an operations page, with all that an answer to them needs.

use std::convert::Infallible;

use axum::{
    Json,
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use sea_orm::DbErr;
use serde::Serialize;

use super::{HOME, ManageOperations, Operations};
use crate::{
    auth::{Allowed, Principal},
    db::ErrorKind,
    errors::explain,
    http::RequestId,
    operations::audit::Operator,
    parked::{ResolveError, Resolved},
    problem::{Problem, wants_json},
    ui::{PageProblem, Section, Shell, Toast, Visit},
};

/// How soon a script may ask again when the database is away.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(2);

/// The administrator behind a request.
#[derive(Debug)]
pub(super) struct Administrator {
    pub(super) operations: Operations,
    pub(super) principal: Principal,
    visit: Visit,
    request_id: String,
    asks_for: Asks,
}

/// What kind of answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Page,
    Data,
}

impl FromRequestParts<Operations> for Administrator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &Operations) -> Result<Self, Response> {
        let allowed = Allowed::<ManageOperations>::from_request_parts(parts, state).await?;
        let visit: Result<Visit, Infallible> = Visit::from_request_parts(parts, state).await;
        let Ok(visit) = visit;
        let request_id = parts.extensions.get::<RequestId>();
        Ok(Self {
            operations: state.clone(),
            principal: allowed.into_principal(),
            visit,
            request_id: request_id.map(|id| id.0.clone()).unwrap_or_default(),
            asks_for: if wants_json(&parts.headers) {
                Asks::Data
            } else {
                Asks::Page
            },
        })
    }
}

impl Administrator {
    /// The frame of the page.
    pub(super) fn shell(&self) -> Shell {
        let now = self.operations.sources.now();
        let viewer = self.principal.viewer();
        Shell::new(&self.operations.site, self.visit.clone(), viewer, now).at(Section::Operations)
    }

    /// As whom they are noted in the audit.
    pub(super) fn operator(&self) -> Operator {
        Operator {
            id: self.principal.user_id(),
            name: self.principal.as_person().name,
        }
    }

    /// The same as data or as a page.
    pub(super) fn show<D: Serialize, P: IntoResponse>(
        &self,
        data: D,
        page: impl FnOnce(D) -> P,
    ) -> Response {
        match self.asks_for {
            Asks::Data => Json(data).into_response(),
            Asks::Page => page(data).into_response(),
        }
    }

    /// After a command: back to the overview with a message, or what it did as data.
    pub(super) fn done(&self, resolved: Resolved, text: impl Into<String>) -> Response {
        match self.asks_for {
            Asks::Data => Json(resolved).into_response(),
            Asks::Page => self.visit.return_to(HOME, &Toast::new(text)),
        }
    }

    /// Nothing has that address, or not any more.
    pub(super) fn not_found(&self) -> Response {
        match self.asks_for {
            Asks::Data => Problem::not_found().into_response(),
            Asks::Page => self.page(PageProblem::not_found()),
        }
    }

    /// Nothing was changed, because things are not as they were shown.
    pub(super) fn conflict(&self, why: &'static str) -> Response {
        match self.asks_for {
            Asks::Data => Problem::conflict(why).into_response(),
            Asks::Page => self.page(PageProblem::conflict(why)),
        }
    }

    /// What was typed cannot be used.
    pub(super) fn unusable(&self, why: &'static str) -> Response {
        match self.asks_for {
            Asks::Data => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
            Asks::Page => self.page(PageProblem::conflict(why)),
        }
    }

    /// A failure of ours; the one place that logs it.
    pub(super) fn fail(&self, error: &DbErr) -> Response {
        let is_transient = ErrorKind::of(error) == ErrorKind::Transient;
        if is_transient {
            tracing::warn!(error = explain(error), "the database is away");
        } else {
            tracing::error!(error = explain(error), "an operations page failed");
        }
        match (self.asks_for, is_transient) {
            (Asks::Data, true) => Problem::unavailable(RETRY_AFTER).into_response(),
            (Asks::Data, false) => Problem::internal().into_response(),
            (Asks::Page, true) => self.page(PageProblem::unavailable()),
            (Asks::Page, false) => self.page(PageProblem::internal(self.request_id.clone())),
        }
    }

    /// A command that changed nothing.
    pub(super) fn refuse(&self, error: &ResolveError) -> Response {
        if !matches!(error, ResolveError::Database(_)) {
            tracing::info!(%error, "a command was refused");
        }
        match error {
            ResolveError::Gone => {
                self.conflict("Nothing waits there any more: somebody else was faster. Nothing was changed.")
            }
            ResolveError::NotText => self.conflict(
                "The body is no text, so nobody can ever read it. Replace it by another one, or discard the message.",
            ),
            ResolveError::NoSuchQueue => {
                self.conflict("The queue it came from is not read here any more. It can only be discarded.")
            }
            ResolveError::NoReason => self.unusable("Say why: the reason is kept in the log of commands."),
            ResolveError::Database(error) => self.fail(error),
        }
    }

    fn page(&self, problem: PageProblem) -> Response {
        problem.within(self.shell()).into_response()
    }
}
