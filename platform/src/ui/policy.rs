//! The content policy of every page: everything from the own origin, nothing inline.

use axum::http::{HeaderValue, header::InvalidHeaderValue};
use url::Url;

/// The value of `Content-Security-Policy` for the pages of a service.
///
/// Forms may also go to the login origin, because signing out leads there by a redirect, which
/// browsers check against `form-action` too.
///
/// # Errors
/// When the origin of `login` cannot be written into a header; no parsed address has such an origin.
pub(super) fn content_security_policy(login: &Url) -> Result<HeaderValue, InvalidHeaderValue> {
    let origin = login.origin().ascii_serialization();
    HeaderValue::try_from(format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
         connect-src 'self'; form-action 'self' {origin}; base-uri 'none'; frame-ancestors 'none'"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_origin_is_the_only_other_place() {
        let login = Url::parse("http://localhost:21006/realms/task-exchange").unwrap();
        let policy = content_security_policy(&login).unwrap();
        assert!(
            policy
                .to_str()
                .unwrap()
                .contains("form-action 'self' http://localhost:21006;")
        );
        assert!(!policy.to_str().unwrap().contains("unsafe"));
    }
}
