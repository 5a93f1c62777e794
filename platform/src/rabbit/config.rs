//! Section `[broker]` of the settings.

use lapin::uri::AMQPUri;
use serde::Deserialize;

use crate::config::Secret;

/// Seconds between heartbeats; after two missed ones a silent connection counts as dead.
const HEARTBEAT_SECONDS: u16 = 10;

/// Section `[broker]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerConfig {
    /// AMQP URL of the service's own account, which may not declare anything.
    pub url: Secret,
    /// AMQP URL of the account that declares the topology, used by `migrate` only.
    pub setup_url: Option<Secret>,
}

/// A broker URL that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BrokerConfigError {
    /// The text is no AMQP URL; it is not shown, since it holds a password.
    #[error("a broker URL cannot be read: {0}")]
    Url(String),
    /// `migrate` needs `setup_url`.
    #[error(
        "broker.setup_url is not set: declaring the topology needs an account that may configure"
    )]
    NoSetupUrl,
}

impl BrokerConfig {
    /// The service's own URL, with our heartbeat unless it names one.
    ///
    /// # Errors
    /// [`BrokerConfigError::Url`].
    pub fn uri(&self) -> Result<AMQPUri, BrokerConfigError> {
        parse(&self.url)
    }

    /// The set-up account's URL.
    ///
    /// # Errors
    /// [`BrokerConfigError::NoSetupUrl`] when there is none, [`BrokerConfigError::Url`].
    pub fn setup_uri(&self) -> Result<AMQPUri, BrokerConfigError> {
        let url = self
            .setup_url
            .as_ref()
            .ok_or(BrokerConfigError::NoSetupUrl)?;
        parse(url)
    }
}

fn parse(url: &Secret) -> Result<AMQPUri, BrokerConfigError> {
    let mut uri: AMQPUri = url.expose().parse().map_err(BrokerConfigError::Url)?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> BrokerConfig {
        BrokerConfig {
            url: Secret::new(url),
            setup_url: None,
        }
    }

    #[test]
    fn a_url_gets_our_heartbeat_unless_it_names_one() {
        let heartbeat = |url| config(url).uri().unwrap().query.heartbeat;
        assert_eq!(heartbeat("amqp://a:b@localhost:5672/%2f"), Some(10));
        assert_eq!(
            heartbeat("amqp://a:b@localhost:5672/%2f?heartbeat=3"),
            Some(3)
        );
    }

    #[test]
    fn a_url_that_cannot_be_read_is_refused_without_showing_the_password() {
        let error = config("amqp://tasks:hunter2@[broken").uri().unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn declaring_needs_the_set_up_account() {
        let refused = config("amqp://localhost").setup_uri();
        assert!(matches!(refused, Err(BrokerConfigError::NoSetupUrl)));
    }
}
