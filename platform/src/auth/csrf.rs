//! Proof that a form was sent from a page of the same session (OWASP: synchroniser token, plus Origin).

use std::fmt;

use axum::{
    Form,
    body::Body,
    extract::{FromRef, FromRequest, RawForm, Request},
    http::{HeaderMap, HeaderName, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};
use subtle::ConstantTimeEq;
use url::{Url, form_urlencoded};

use super::{WebAuth, opaque::Opaque};
use crate::{
    problem::Problem,
    ui::{CSRF_FIELD, PageProblem},
};

/// Carries the token of requests that scripts make.
const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The token of one session; it is derived from the session's id, so it needs no storage.
#[derive(Clone)]
pub struct CsrfToken([u8; 32]);

impl CsrfToken {
    pub(super) fn of(session: &Opaque) -> Self {
        Self(session.derive("csrf"))
    }

    /// Compares without telling by its duration how much is right.
    fn matches(&self, text: &str) -> bool {
        let given = BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        self.0.ct_eq(&given).into()
    }
}

impl fmt::Display for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken")
    }
}

/// A form of a page of the same session; anything else is answered 403 before `T` is read.
///
/// The token comes in the hidden field or, from a script, in the header `x-csrf-token`. It does not say
/// that the session still lives: take [`super::Principal`] beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtectedForm<T>(
    /// What the form says.
    pub T,
);

/// A form that is only a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct NoFields {}

impl<S, T> FromRequest<S> for ProtectedForm<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
    WebAuth: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let web = WebAuth::from_ref(state);
        let headers = request.headers().clone();
        let refuse = || web.plain_page(PageProblem::stale_form(), &headers);
        let expected = web
            .cookies()
            .session(&headers)
            .map(|session| CsrfToken::of(&session))
            .filter(|_| is_same_origin(&headers, web.origin()))
            .ok_or_else(refuse)?;
        let (mut parts, body) = request.into_parts();
        let whole = Request::from_parts(parts.clone(), body);
        let RawForm(bytes) = RawForm::from_request(whole, state)
            .await
            .map_err(IntoResponse::into_response)?;
        let Split { token, fields } = split(&bytes);
        let given = headers
            .get(CSRF_HEADER)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
            .or(token);
        if !given.is_some_and(|given| expected.matches(&given)) {
            tracing::info!("a form without the token of its session was refused");
            return Err(refuse());
        }
        parts.headers.remove(header::CONTENT_LENGTH);
        let fields = Request::from_parts(parts, Body::from(fields));
        let Form(form) = Form::from_request(fields, state)
            .await
            .map_err(|error| Problem::bad_request(error.body_text()).into_response())?;
        Ok(Self(form))
    }
}

/// A form's body without the token, and the token.
struct Split {
    token: Option<String>,
    fields: String,
}

fn split(body: &[u8]) -> Split {
    let mut token = None;
    let mut fields = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(body) {
        if name == CSRF_FIELD {
            token = Some(value.into_owned());
        } else {
            fields.append_pair(&name, &value);
        }
    }
    Split {
        token,
        fields: fields.finish(),
    }
}

/// Browsers name the origin of every form; a request that names none is judged by its token alone.
fn is_same_origin(headers: &HeaderMap, own: &Url) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    match (text(&header::ORIGIN), text(&SEC_FETCH_SITE)) {
        (Some(origin), _) => origin == own.origin().ascii_serialization(),
        (None, Some(site)) => site == "same-origin",
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::sources::Sources;

    #[test]
    fn only_the_token_of_the_same_session_matches() {
        let sources = Sources::system();
        let (mine, other) = (Opaque::new(&sources), Opaque::new(&sources));
        let token = CsrfToken::of(&mine).to_string();
        assert!(CsrfToken::of(&mine).matches(&token));
        assert!(!CsrfToken::of(&other).matches(&token));
        for wrong in ["", "A", &format!("{token}A"), &mine.text()] {
            assert!(!CsrfToken::of(&mine).matches(wrong), "{wrong}");
        }
    }

    #[test]
    fn the_token_is_taken_out_of_the_fields() {
        let body = format!("title=a%26b&{CSRF_FIELD}=t0k&tag=1&tag=2");
        let Split { token, fields } = split(body.as_bytes());
        assert_eq!(token.as_deref(), Some("t0k"));
        assert_eq!(fields, "title=a%26b&tag=1&tag=2");
    }

    #[test]
    fn forms_of_other_origins_are_refused() {
        let own = Url::parse("http://localhost:21000").unwrap();
        let cases = [
            (None, None, true),
            (Some("http://localhost:21000"), None, true),
            (Some("http://localhost:21000"), Some("same-origin"), true),
            (Some("http://localhost:21001"), None, false),
            (Some("http://evil.example"), Some("same-origin"), false),
            (Some("null"), None, false),
            (None, Some("same-origin"), true),
            (None, Some("same-site"), false),
            (None, Some("cross-site"), false),
        ];
        for (origin, site, allowed) in cases {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            if let Some(site) = site {
                headers.insert(SEC_FETCH_SITE, HeaderValue::from_static(site));
            }
            assert_eq!(
                is_same_origin(&headers, &own),
                allowed,
                "{origin:?} {site:?}"
            );
        }
    }
}
