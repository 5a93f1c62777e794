//! Pages that say what went wrong, what is safe and what to do; inside the shell where somebody is logged in.

use std::{borrow::Cow, time::Duration};

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use super::shell::{Frame, Shell};

/// How soon a page for an outage loads itself again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// What a problem page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageProblem {
    status: StatusCode,
    icon: &'static str,
    title: Cow<'static, str>,
    text: Cow<'static, str>,
    request_id: Option<String>,
    try_again: Option<Duration>,
    try_again_at: Option<String>,
}

impl PageProblem {
    fn new(
        status: StatusCode,
        icon: &'static str,
        title: impl Into<Cow<'static, str>>,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            icon,
            title: title.into(),
            text: text.into(),
            request_id: None,
            try_again: None,
            try_again_at: None,
        }
    }

    /// 404, also for what belongs to somebody else.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "search",
            "There is nothing here",
            "The address is wrong, or what it led to is not for you to see.",
        )
    }

    /// 403; `who` says who may see it: "Only accountants and administrators see company earnings."
    #[must_use]
    pub fn forbidden(who: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "lock",
            "This page is not open to you",
            who,
        )
    }

    /// 403 for a form without the token of the session that sends it.
    #[must_use]
    pub fn stale_form() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "rotate-cw",
            "The form was open for too long",
            "Nothing was changed. Go back, reload the page and send it again.",
        )
    }

    /// 409: the state of things does not allow it; `why` says so in a sentence.
    #[must_use]
    pub fn conflict(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "circle-alert",
            "That is not possible",
            why,
        )
    }

    /// 429: too much at once from one person.
    #[must_use]
    pub fn too_many_requests(wait: Duration) -> Self {
        Self {
            try_again: Some(wait),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "clock",
                "That was too much at once",
                "The page loads again by itself in a moment.",
            )
        }
    }

    /// 503: the service's own database does not answer.
    #[must_use]
    pub fn unavailable() -> Self {
        Self {
            try_again: Some(TRY_AGAIN),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "cloud-off",
                "Not available at the moment",
                "Nothing is lost. The page tries again by itself every few seconds.",
            )
        }
    }

    /// 503: Keycloak does not answer, so nobody can log in anew (DESIGN.md section 8).
    #[must_use]
    pub fn sign_in_unavailable() -> Self {
        Self {
            try_again: Some(TRY_AGAIN),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "cloud-off",
                "Sign-in is not available now",
                "Trying again every few seconds. Whoever is signed in can work on.",
            )
        }
    }

    /// The same for an address that is answered only once: what is tried again is at `path`.
    #[must_use]
    pub fn trying_again_at(self, path: impl Into<String>) -> Self {
        Self {
            try_again_at: Some(path.into()),
            ..self
        }
    }

    /// 400: a login that took too long, was finished already, or was begun in another browser.
    #[must_use]
    pub fn sign_in_expired() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "clock",
            "That sign-in is over",
            "It took too long, or was finished already. Begin again from here.",
        )
    }

    /// 403 for somebody whose account was deleted or disabled.
    #[must_use]
    pub fn account_closed() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "lock",
            "Your account is closed",
            "Ask an administrator if you think that this is a mistake.",
        )
    }

    /// A status that no page was made for; `request_id` is shown where the fault is ours.
    #[must_use]
    pub fn of_status(status: StatusCode, request_id: &str) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found(),
            StatusCode::SERVICE_UNAVAILABLE => Self::unavailable(),
            status if status.is_server_error() => Self::internal(request_id),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(
                status,
                "circle-alert",
                "That is too much",
                "Nothing was changed. Go back and send a shorter text.",
            ),
            status => Self::new(
                status,
                "circle-alert",
                "That cannot be read",
                "The request is not one that a page here makes. Nothing was changed.",
            ),
        }
    }

    /// 500 that shows nothing but the id under which the log speaks of it.
    #[must_use]
    pub fn internal(request_id: impl Into<String>) -> Self {
        Self {
            request_id: Some(request_id.into()),
            ..Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "triangle-alert",
                "Something went wrong here",
                "It is recorded. If it happens again, give this number to your administrator.",
            )
        }
    }

    /// For somebody who is logged in.
    #[must_use]
    pub fn within(self, shell: Shell) -> ShellProblem {
        ShellProblem {
            shell,
            problem: self,
        }
    }

    /// For somebody who is not, or of whom nothing can be known now; `home` is where the one link leads.
    #[must_use]
    pub fn plain(self, frame: Frame, home: impl Into<String>) -> PlainProblem {
        PlainProblem {
            frame,
            home: home.into(),
            problem: self,
        }
    }

    fn respond(&self, page: &impl Template) -> Response {
        let mut response = match page.render() {
            Ok(html) => (self.status, Html(html)).into_response(),
            Err(error) => {
                tracing::error!(%error, "a problem page cannot be rendered");
                self.status.into_response()
            }
        };
        if let Some(wait) = self.try_again {
            let seconds = HeaderValue::from(wait.as_secs());
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

/// A problem page with menu.
#[derive(Debug, Clone, Template)]
#[template(path = "problem.html")]
pub struct ShellProblem {
    shell: Shell,
    problem: PageProblem,
}

/// A problem page on its own.
#[derive(Debug, Clone, Template)]
#[template(path = "plain_problem.html")]
pub struct PlainProblem {
    frame: Frame,
    home: String,
    problem: PageProblem,
}

impl IntoResponse for ShellProblem {
    fn into_response(self) -> Response {
        self.problem.respond(&self)
    }
}

impl IntoResponse for PlainProblem {
    fn into_response(self) -> Response {
        self.problem.respond(&self)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use uuid::Uuid;

    use super::*;
    use crate::ui::{Person, Site, Theme, Viewer, Visit, html_check::findings};

    fn shell() -> Shell {
        let site = Site {
            base: "/tasks",
            time_zone: chrono_tz::UTC,
            profile_url: None,
        };
        let viewer = Viewer {
            person: Person::new(Uuid::from_u128(1), "<b>Mara</b>"),
            roles: Vec::new(),
            csrf_token: "\"><i>".to_owned(),
        };
        let now = Utc.with_ymd_and_hms(2026, 11, 19, 13, 46, 0).unwrap();
        Shell::new(&site, Visit::default(), viewer, now)
    }

    fn problems() -> [PageProblem; 8] {
        [
            PageProblem::not_found(),
            PageProblem::forbidden("Only <b>accountants</b> see it."),
            PageProblem::stale_form(),
            PageProblem::conflict("<i>No</i>"),
            PageProblem::too_many_requests(Duration::from_secs(3)),
            PageProblem::unavailable(),
            PageProblem::sign_in_unavailable(),
            PageProblem::internal("<u>1</u>"),
        ]
    }

    /// Both forms of every problem.
    fn pages() -> Vec<String> {
        let frame = Frame::new("/tasks", Theme::Dark);
        let both = |problem: PageProblem| {
            let within = problem.clone().within(shell()).render().unwrap();
            let plain = problem.plain(frame.clone(), "/tasks").render().unwrap();
            [within, plain]
        };
        problems().into_iter().flat_map(both).collect()
    }

    #[test]
    fn every_problem_keeps_the_rules_of_pages() {
        for html in pages() {
            assert_eq!(findings(&html), Vec::<String>::new(), "{html}");
            assert!(
                !["<b>", "<i>", "<u>"].iter().any(|raw| html.contains(raw)),
                "{html}"
            );
        }
    }

    #[test]
    fn outages_load_again_by_themselves() {
        let frame = Frame::new("/finance", Theme::System);
        let page = PageProblem::sign_in_unavailable().plain(frame, "/finance/me");
        let html = page.render().unwrap();
        assert!(html.contains("<meta http-equiv=\"refresh\" content=\"5\">"));
        let response = page.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
    }

    #[test]
    fn an_outage_may_load_another_address() {
        let frame = Frame::new("/tasks", Theme::System);
        let problem = PageProblem::sign_in_unavailable().trying_again_at("/tasks/login?a=%2F");
        let html = problem.plain(frame, "/tasks").render().unwrap();
        assert!(
            html.contains("content=\"5; url=/tasks/login?a=%2F\""),
            "{html}"
        );
        assert!(
            html.contains("data-retry-at=\"/tasks/login?a=%2F\""),
            "{html}"
        );
    }

    #[test]
    fn an_error_shows_its_number_and_nothing_else() {
        let html = PageProblem::internal("0190-abc")
            .within(shell())
            .render()
            .unwrap();
        assert!(html.contains("<code>0190-abc</code>"));
        assert!(!html.contains("refresh"));
    }
}
