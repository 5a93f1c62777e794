//! What every answer to a browser has: the headers of DESIGN.md section 9, and a page when it is an error.

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{self, InvalidHeaderValue},
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use url::Url;

use super::{
    page_problem::PageProblem,
    policy::content_security_policy,
    shell::Frame,
    visit::{Theme, Visit},
};
use crate::{http::REQUEST_ID, problem::wants_json, routes::Routes};

/// The outermost layer of a router with pages; it sees what every other layer answers, too.
#[derive(Debug, Clone)]
pub struct PageGuard {
    base: &'static str,
    policy: HeaderValue,
    origin: Url,
}

impl PageGuard {
    /// For pages that begin with `base`, that people see at `origin`, and that lead to `login`.
    ///
    /// # Errors
    /// When the origin of `login` cannot be written into a header; no parsed address has such an origin.
    pub fn try_new(
        base: &'static str,
        origin: &Url,
        login: &Url,
    ) -> Result<Self, InvalidHeaderValue> {
        Ok(Self {
            base,
            policy: content_security_policy(login)?,
            origin: origin.clone(),
        })
    }

    /// Wraps every route.
    #[must_use]
    pub fn around(self, routes: Routes) -> Routes {
        routes.layer(middleware::from_fn_with_state(self, guard))
    }

    /// A page in place of an error that only programs read.
    fn explain(&self, response: Response, theme: Theme) -> Response {
        let (mut parts, _unread) = response.into_parts();
        let request_id = parts.headers.get(&REQUEST_ID);
        let request_id = request_id.and_then(|id| id.to_str().ok()).unwrap_or("");
        let problem = PageProblem::of_status(parts.status, request_id);
        let page = problem.plain(Frame::new(self.base, theme), self.base);
        let (page, body) = page.into_response().into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.extend(page.headers);
        Response::from_parts(parts, body)
    }

    fn write(&self, headers: &mut HeaderMap) {
        let fixed = [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "same-origin"),
            (
                HeaderName::from_static("cross-origin-opener-policy"),
                "same-origin",
            ),
            (
                HeaderName::from_static("cross-origin-resource-policy"),
                "same-origin",
            ),
            (
                HeaderName::from_static("permissions-policy"),
                "camera=(), geolocation=(), microphone=()",
            ),
        ];
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        // RFC 6797 section 7.2: never over plain HTTP.
        if self.origin.scheme() == "https" {
            headers.insert(
                header::STRICT_TRANSPORT_SECURITY,
                HeaderValue::from_static("max-age=31536000; includeSubDomains"),
            );
        }
    }
}

async fn guard(State(guard): State<PageGuard>, request: Request, next: Next) -> Response {
    let theme = Visit::from_headers(request.headers()).theme;
    let is_for_people = !wants_json(request.headers());
    let mut response = next.run(request).await;
    if is_for_people && is_error(&response) && !is_page(response.headers()) {
        response = guard.explain(response, theme);
    }
    guard.write(response.headers_mut());
    response
}

fn is_error(response: &Response) -> bool {
    response.status().is_client_error() || response.status().is_server_error()
}

fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}
