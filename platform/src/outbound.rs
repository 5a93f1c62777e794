//! How this process calls others over HTTP: time-outs always, redirects never.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{
    Client,
    header::{HeaderMap, RETRY_AFTER},
    redirect::Policy,
};

/// The longest pause a peer may ask for; a mistaken `Retry-After` must not silence a service for a day.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

/// Time limits of a client.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For making a connection.
    pub connect: Duration,
    /// For one request with its whole answer.
    pub request: Duration,
}

/// A client without redirects, which would let a peer choose whom this process talks to.
///
/// # Errors
/// When the trust anchors of the machine cannot be read.
pub fn client(timeouts: Timeouts) -> reqwest::Result<Client> {
    // One provider in the whole process; a second installation changes nothing.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder()
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.request)
        .redirect(Policy::none())
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("task-exchange/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// What `Retry-After` asks for, in seconds or as a date (RFC 9110 section 10.2.3), at most five minutes.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_not_seconds) => {
            let at = DateTime::parse_from_rfc2822(text).ok()?.to_utc();
            (at - now).to_std().unwrap_or_default()
        }
    };
    Some(pause.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn asked(value: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        let now = DateTime::parse_from_rfc3339("1994-11-06T08:49:30Z").unwrap();
        retry_after(&headers, now.to_utc())
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        assert_eq!(asked("3"), Some(Duration::from_secs(3)));
        assert_eq!(
            asked("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Duration::from_secs(7))
        );
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("31536000"), Some(MAX_RETRY_AFTER));
    }
}
