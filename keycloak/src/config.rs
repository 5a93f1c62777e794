//! Settings of the bridge; `defaults.toml` documents them.

use platform::{
    auth::IdentityConfig, db::DatabaseConfig, rabbit::BrokerConfig, telemetry::LogConfig,
};
use serde::Deserialize;

use crate::{admin::KeycloakConfig, api::ApiConfig, sync::SyncConfig};

/// The defaults, documented.
pub(crate) const DEFAULTS: &str = include_str!("../defaults.toml");

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How logs are written.
    pub log: LogConfig,
    /// The REST interface.
    pub api: ApiConfig,
    /// The bridge's own database.
    pub database: DatabaseConfig,
    /// Where messages go.
    pub broker: BrokerConfig,
    /// Whose tokens are let in, and the service account.
    pub identity: IdentityConfig,
    /// What is watched.
    pub keycloak: KeycloakConfig,
    /// How it is watched.
    pub sync: SyncConfig,
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_defaults_lack_nothing_but_the_secret() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "[identity]\nmachine_client_secret = 's'").unwrap();
        let config: Config =
            platform::config::load(DEFAULTS, "NOT_SET_ANYWHERE_", Some(file.path())).unwrap();
        assert_eq!(config.keycloak.realm, "task-exchange");
    }
}
