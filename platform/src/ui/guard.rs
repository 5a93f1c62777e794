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
            keep_cookies_from_plain_http(headers);
        }
    }
}

/// Whoever sets a cookie, the browser sends it back over HTTPS only (RFC 6265 section 4.1.2.5).
fn keep_cookies_from_plain_http(headers: &mut HeaderMap) {
    for (name, cookie) in headers.iter_mut() {
        if name == header::SET_COOKIE && !is_secure(cookie) {
            let secured = [cookie.as_bytes(), b"; Secure"].concat();
            if let Ok(secured) = HeaderValue::from_bytes(&secured) {
                *cookie = secured;
            }
        }
    }
}

fn is_secure(cookie: &HeaderValue) -> bool {
    let mut attributes = cookie.as_bytes().split(|byte| *byte == b';').skip(1);
    attributes.any(|attribute| attribute.trim_ascii().eq_ignore_ascii_case(b"secure"))
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

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::post};
    use tower::ServiceExt;

    use super::*;
    use crate::ui::Toast;

    /// What a form that leaves a message sets, beside a cookie that is in order already.
    async fn cookies_at(origin: &str) -> Vec<String> {
        let leave = || async {
            let mut response = Visit::default().return_to("/tasks", &Toast::new("Done."));
            let session = HeaderValue::from_static("a=b; Path=/; secure");
            response.headers_mut().append(header::SET_COOKIE, session);
            response
        };
        let login = Url::parse("https://login.example").unwrap();
        let guard = PageGuard::try_new("/tasks", &Url::parse(origin).unwrap(), &login).unwrap();
        let router = guard
            .around(Routes::new().route("/", post(leave)))
            .into_router();
        let request = Request::post("/").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let cookies = response.headers().get_all(header::SET_COOKIE);
        cookies
            .iter()
            .map(|cookie| cookie.to_str().unwrap().to_owned())
            .collect()
    }

    #[tokio::test]
    async fn over_https_no_cookie_is_sent_back_in_plain_text() {
        let cookies = cookies_at("https://exchange.example").await;
        let [toast, session] = cookies.as_slice() else {
            panic!("{cookies:?}");
        };
        assert!(toast.starts_with("toast="), "{toast}");
        assert!(
            toast.ends_with("; HttpOnly; SameSite=Lax; Secure"),
            "{toast}"
        );
        assert_eq!(session, "a=b; Path=/; secure");
    }

    #[tokio::test]
    async fn over_http_on_this_machine_cookies_stay_as_they_are() {
        let cookies = cookies_at("http://localhost:21000").await;
        assert!(
            cookies
                .iter()
                .all(|cookie| !cookie.ends_with("; HttpOnly; SameSite=Lax; Secure")),
            "{cookies:?}"
        );
    }
}
