//! What a request says of its page view: the chosen theme, a message left by the last action, htmx or not.

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// Carries a [`Toast`] over one redirect.
const TOAST_COOKIE: &str = "toast";

/// Written by `app.js`, read here, so that a page comes in its colours at once.
const THEME_COOKIE: &str = "theme";

/// More is no message of ours.
const MAX_TOAST: usize = 1_000;

const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");

/// Light, dark, or what the device prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// The device decides.
    #[default]
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

/// A short message about what was just done, shown once for six seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toast {
    /// One or two sentences.
    pub text: String,
    /// Where to look at the result.
    pub link: Option<ToastLink>,
}

/// The link at the end of a [`Toast`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToastLink {
    /// A path of this origin.
    pub href: String,
    /// What it leads to.
    pub label: String,
}

impl Toast {
    /// A message without a link.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            link: None,
        }
    }

    /// The same message with a link at its end.
    #[must_use]
    pub fn with_link(self, href: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            link: Some(ToastLink {
                href: href.into(),
                label: label.into(),
            }),
            ..self
        }
    }

    fn cookie(&self) -> Option<HeaderValue> {
        let json = serde_json::to_vec(self).ok()?;
        let value = BASE64_URL_SAFE_NO_PAD.encode(json);
        HeaderValue::try_from(format!(
            "{TOAST_COOKIE}={value}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
        ))
        .ok()
    }

    /// Anybody can write cookies into their own browser, so the link is held to this origin.
    fn from_cookie(value: &str) -> Option<Self> {
        let json = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
        let toast: Self = serde_json::from_slice(&json).ok()?;
        let is_ours =
            json.len() <= MAX_TOAST && toast.link.as_ref().is_none_or(|link| is_local(&link.href));
        is_ours.then_some(toast)
    }
}

/// Whether a path stays on this origin: `//host` and `/\host` would leave it.
#[must_use]
pub fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && !path.contains(char::is_control)
}

/// What pages need from a request; never refuses one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Visit {
    /// The colours.
    pub theme: Theme,
    /// The message left by the last action.
    pub toast: Option<Toast>,
    is_scripted: bool,
}

impl Visit {
    /// Reads cookies and headers.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let theme = match cookie(headers, THEME_COOKIE) {
            Some("light") => Theme::Light,
            Some("dark") => Theme::Dark,
            _ => Theme::System,
        };
        Self {
            theme,
            toast: cookie(headers, TOAST_COOKIE).and_then(Toast::from_cookie),
            is_scripted: headers.contains_key(HX_REQUEST),
        }
    }

    /// After an action: leads the browser to another page, also out of a dialog.
    #[must_use]
    pub fn go_to(&self, path: &str, toast: &Toast) -> Response {
        if !self.is_scripted {
            return self.return_to(path, toast);
        }
        let mut response = StatusCode::OK.into_response();
        if let Ok(location) = HeaderValue::try_from(path) {
            response.headers_mut().insert(HX_REDIRECT, location);
        }
        with_toast(response, toast)
    }

    /// After an action inside a page: the page at `path` is fetched anew, and a script takes what
    /// changed out of it without leaving the page.
    #[must_use]
    pub fn return_to(&self, path: &str, toast: &Toast) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        if let Ok(location) = HeaderValue::try_from(path) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        with_toast(response, toast)
    }
}

fn with_toast(mut response: Response, toast: &Toast) -> Response {
    if let Some(cookie) = toast.cookie() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::from_headers(&parts.headers))
    }
}

/// A layer for page routers: a toast that a page has shown is not shown again.
pub async fn forget_shown_toast(request: Request, next: Next) -> Response {
    let had_toast = cookie(request.headers(), TOAST_COOKIE).is_some();
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let is_page = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if had_toast && is_page {
        headers.append(
            header::SET_COOKIE,
            HeaderValue::from_static("toast=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
        );
    }
    response
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split("; "))
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(cookies).unwrap())])
    }

    fn scripted() -> Visit {
        Visit {
            is_scripted: true,
            ..Visit::default()
        }
    }

    #[test]
    fn the_theme_cookie_decides_and_other_values_do_not() {
        assert_eq!(
            Visit::from_headers(&headers("a=b; theme=dark")).theme,
            Theme::Dark
        );
        assert_eq!(
            Visit::from_headers(&headers("theme=light")).theme,
            Theme::Light
        );
        assert_eq!(
            Visit::from_headers(&headers("theme=pink")).theme,
            Theme::System
        );
        assert_eq!(Visit::from_headers(&HeaderMap::new()).theme, Theme::System);
    }

    #[test]
    fn a_toast_survives_the_redirect() {
        let toast = Toast::new("T-1 is done.").with_link("/finance/me", "My account");
        let response = Visit::default().return_to("/tasks/mine", &toast);
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(response.headers()[header::LOCATION], "/tasks/mine");
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        let (pair, _) = cookie.split_once(';').unwrap();
        assert_eq!(Visit::from_headers(&headers(pair)).toast, Some(toast));
    }

    #[test]
    fn a_toast_never_links_elsewhere() {
        for href in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "javascript:x",
        ] {
            let toast = Toast::new("x").with_link(href, "y");
            let value = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&toast).unwrap());
            assert_eq!(Toast::from_cookie(&value), None, "{href}");
        }
        assert_eq!(Toast::from_cookie("%%%"), None);
    }

    #[test]
    fn a_scripted_request_is_led_on_by_its_own_header() {
        let response = scripted().go_to("/tasks/T-1", &Toast::new("Created."));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[HX_REDIRECT], "/tasks/T-1");
        let back = scripted().return_to("/tasks/mine", &Toast::new("Done."));
        assert_eq!(back.status(), StatusCode::SEE_OTHER);
    }
}
