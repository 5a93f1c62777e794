//! Settings of identity, login and sessions.

use chrono::TimeDelta;
use serde::Deserialize;

use crate::config::Secret;

/// Section `[identity]`: whose tokens count, and as whom this process asks others.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// The issuer, exactly as its tokens name it: the public URL of the realm.
    pub issuer: String,
    /// What tokens for this service's REST interface must name as their audience.
    pub audience: String,
    /// The client that this process is when it calls others.
    pub machine_client_id: String,
    /// The secret of that client.
    pub machine_client_secret: Secret,
}

/// Section `[login]`: the client through which people log in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginConfig {
    /// The client's name in the realm.
    pub web_client_id: String,
    /// The secret of that client.
    pub web_client_secret: Secret,
}

/// Section `[session]`: how long people stay logged in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionConfig {
    /// Minutes without a request after which a session ends.
    pub idle_minutes: u32,
    /// Hours after the login at which a session ends in any case.
    pub absolute_hours: u32,
    /// Base64 of the 32 bytes that encrypt tokens at rest; the same on all replicas.
    pub key: Secret,
}

impl SessionConfig {
    pub(super) fn limits(&self) -> SessionLimits {
        SessionLimits {
            idle: TimeDelta::minutes(self.idle_minutes.into()),
            absolute: TimeDelta::hours(self.absolute_hours.into()),
        }
    }
}

/// How long a session lives without a request, and at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionLimits {
    pub(super) idle: TimeDelta,
    pub(super) absolute: TimeDelta,
}
