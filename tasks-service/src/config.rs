//! All settings of the service; `defaults.toml` documents them.

use std::{net::SocketAddr, num::NonZeroU32};

use chrono_tz::Tz;
use platform::{
    auth::{IdentityConfig, LoginConfig, SessionConfig},
    db::DatabaseConfig,
    http::ListenConfig,
    peer::PeerConfig,
    rabbit::BrokerConfig,
    reconciliation::CachesConfig,
    telemetry::LogConfig,
};
use serde::Deserialize;
use url::Url;

use crate::domain::assignment::Eligibility;

/// The defaults, which double as the documentation.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

/// How the variables of the environment start.
pub const ENVIRONMENT_PREFIX: &str = "TASKS_";

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub log: LogConfig,
    pub pages: PagesConfig,
    pub api: ApiConfig,
    pub database: DatabaseConfig,
    pub broker: BrokerConfig,
    pub identity: IdentityConfig,
    pub login: LoginConfig,
    pub session: SessionConfig,
    pub peers: PeersConfig,
    pub caches: CachesConfig,
    pub assignment: AssignmentConfig,
    pub calendar: CalendarConfig,
}

/// Section `[pages]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagesConfig {
    /// Where the load balancer finds the pages.
    pub listen: SocketAddr,
    /// The origin as people see it.
    pub origin: Url,
}

/// Section `[api]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Where other services find the REST interface, and the platform the health routes.
    pub listen: SocketAddr,
    /// The most requests of one machine in a second.
    pub per_second: NonZeroU32,
}

/// Section `[peers]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeersConfig {
    /// The auth bridge.
    pub auth: PeerConfig,
    /// Finance, for the messages that it sent.
    pub finance: PeerConfig,
}

/// Section `[assignment]`: whom tasks are drawn for (T2).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignmentConfig {
    /// Holding one of these realm roles makes eligible ...
    pub eligible_roles: Vec<String>,
    /// ... unless one of these is held too.
    pub ineligible_roles: Vec<String>,
}

/// Section `[calendar]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarConfig {
    /// The zone in which days begin and hours are shown, by its IANA name.
    pub time_zone: String,
}

/// Settings that are well-formed but make no sense.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSetting {
    /// In `[calendar]`.
    #[error("{0:?} is no time zone of the IANA database")]
    TimeZone(String),
}

impl CalendarConfig {
    /// The zone itself.
    pub fn zone(&self) -> Result<Tz, InvalidSetting> {
        self.time_zone
            .parse()
            .map_err(|_unknown| InvalidSetting::TimeZone(self.time_zone.clone()))
    }
}

impl PagesConfig {
    /// Where to listen.
    #[must_use]
    pub fn listener(&self) -> ListenConfig {
        ListenConfig {
            listen: self.listen,
        }
    }
}

impl ApiConfig {
    /// Where to listen.
    #[must_use]
    pub fn listener(&self) -> ListenConfig {
        ListenConfig {
            listen: self.listen,
        }
    }
}

impl From<AssignmentConfig> for Eligibility {
    fn from(config: AssignmentConfig) -> Self {
        Self {
            roles: config.eligible_roles,
            excluded_roles: config.ineligible_roles,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_used() {
        let config: Config = platform::config::load(DEFAULTS, "NOT_SET_ANYWHERE_", None).unwrap();
        assert_eq!(config.calendar.zone().unwrap(), chrono_tz::Europe::Berlin);
        let rule = Eligibility::from(config.assignment);
        assert_eq!(rule.roles, ["employee"]);
        assert_eq!(rule.excluded_roles, ["manager", "administrator"]);
    }

    #[test]
    fn an_unknown_time_zone_is_refused() {
        let calendar = CalendarConfig {
            time_zone: "Europe/Nowhere".to_owned(),
        };
        assert!(matches!(calendar.zone(), Err(InvalidSetting::TimeZone(_))));
    }
}
