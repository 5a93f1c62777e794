//! What the bridge asks of Keycloak: a trait for the real one and for fakes in tests.
//!
//! Facts about Keycloak in this module were observed with 26.7.3.

mod client;

use std::future::Future;

use chrono::{DateTime, Utc};
use platform::peer::PeerError;
use serde::{Deserialize, Deserializer, de::Error as _};
use uuid::Uuid;

pub use self::client::{AdminClient, KeycloakConfig};

/// Why Keycloak gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum KeycloakError {
    /// The service account lacks a right.
    #[error("Keycloak does not let the bridge read {0}")]
    Forbidden(&'static str),
    /// The realm is not there, so "no such user" would mean nothing.
    #[error("Keycloak has no realm of that name")]
    NoRealm,
    /// Anything else; worth another try.
    #[error("Keycloak cannot be asked for {subject}")]
    Unavailable {
        /// What was asked for.
        subject: &'static str,
        /// What went wrong.
        #[source]
        cause: PeerError,
    },
}

/// A user as the user list shows it; roles are asked for one by one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Keycloak's id; no UUID for users that live in an external store only.
    pub id: String,
    /// The login name.
    pub username: String,
    /// The mail address.
    pub email: Option<String>,
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
    /// Whether the user may log in.
    #[serde(default)]
    pub enabled: bool,
}

/// How Keycloak names the accounts of clients, which are nobody.
const SERVICE_ACCOUNT_PREFIX: &str = "service-account-";

impl Profile {
    /// The id of a person; none for accounts of clients and for ids that no other service could use.
    #[must_use]
    pub fn person(&self) -> Option<Uuid> {
        if self.username.starts_with(SERVICE_ACCOUNT_PREFIX) {
            return None;
        }
        Uuid::try_parse(&self.id).ok()
    }
}

/// A change that somebody made through the console or the admin REST interface.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdminEvent {
    /// Unique in the realm.
    pub id: String,
    /// When, by the clock of the node that served the request; before its commit.
    #[serde(deserialize_with = "millis")]
    pub time: DateTime<Utc>,
    /// The kind of record; not to be relied on (a partial import of users says `REALM`).
    #[serde(default)]
    pub resource_type: String,
    /// The path of the request below the realm.
    #[serde(default)]
    pub resource_path: String,
}

/// Something that a person did, such as registering.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserEvent {
    /// Unique in the realm.
    pub id: String,
    /// When, as of [`AdminEvent::time`].
    #[serde(deserialize_with = "millis")]
    pub time: DateTime<Utc>,
    /// The kind, a name of Keycloak's `EventType`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Whom it is about.
    pub user_id: Option<String>,
}

/// Keycloak writes instants as milliseconds since 1970.
fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let millis = i64::deserialize(deserializer)?;
    DateTime::from_timestamp_millis(millis)
        .ok_or_else(|| D::Error::custom(format!("{millis} ms is no instant")))
}

/// A page of an event store: the first or the last events from an instant on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventQuery {
    /// The earliest time, inclusive, in whole milliseconds.
    pub since: DateTime<Utc>,
    /// The most events.
    pub max: u32,
    /// Which come first, and so which are left out when there are more.
    pub order: EventOrder,
}

/// The order in which events are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventOrder {
    /// By time.
    OldestFirst,
    /// By time, backwards.
    NewestFirst,
}

/// Settings of the realm that the bridge depends on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RealmSettings {
    /// Whether user events are kept; absent when the caller may not see settings.
    pub events_enabled: Option<bool>,
    /// Whether admin events are kept; absent as above.
    pub admin_events_enabled: Option<bool>,
    /// The kinds of user events that are kept; empty means a default list.
    #[serde(default)]
    pub enabled_event_types: Vec<String>,
    /// How long user events are kept, in seconds; nothing and zero mean for ever.
    pub events_expiration: Option<i64>,
    /// Settings that Keycloak keeps as text.
    #[serde(default)]
    pub attributes: RealmAttributes,
}

/// Settings of the realm that Keycloak keeps as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RealmAttributes {
    /// How long admin events are kept, in seconds; nothing and zero mean for ever.
    pub admin_events_expiration: Option<String>,
}

impl RealmAttributes {
    /// How long admin events are kept, in seconds.
    #[must_use]
    pub fn admin_events_expiration(&self) -> Option<i64> {
        self.admin_events_expiration.as_deref()?.parse().ok()
    }
}

/// The realm, read only.
pub trait Keycloak: Send + Sync + 'static {
    /// The settings of the realm.
    fn settings(&self) -> impl Future<Output = Result<RealmSettings, KeycloakError>> + Send;

    /// `max` users from the `first` on, ordered by login name, without accounts of clients.
    fn users(
        &self,
        first: u32,
        max: u32,
    ) -> impl Future<Output = Result<Vec<Profile>, KeycloakError>> + Send;

    /// One user; none when the realm is there and the user is not.
    fn user(&self, id: Uuid)
    -> impl Future<Output = Result<Option<Profile>, KeycloakError>> + Send;

    /// The names of a user's effective realm roles, through groups and composites; none as above.
    fn roles(
        &self,
        id: Uuid,
    ) -> impl Future<Output = Result<Option<Vec<String>>, KeycloakError>> + Send;

    /// Admin events in the order of their time; those of one time come in any order.
    fn admin_events(
        &self,
        query: EventQuery,
    ) -> impl Future<Output = Result<Vec<AdminEvent>, KeycloakError>> + Send;

    /// User events, ordered likewise.
    fn user_events(
        &self,
        query: EventQuery,
    ) -> impl Future<Output = Result<Vec<UserEvent>, KeycloakError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(id: &str, username: &str) -> Profile {
        Profile {
            id: id.to_owned(),
            username: username.to_owned(),
            email: None,
            first_name: None,
            last_name: None,
            enabled: true,
        }
    }

    #[test]
    fn accounts_of_clients_and_users_of_external_stores_are_no_persons() {
        let id = "00000000-0000-4000-8000-000000000004";
        assert_eq!(profile(id, "peter").person(), id.parse().ok());
        assert_eq!(profile(id, "service-account-tasks-m2m").person(), None);
        assert_eq!(profile("f:ldap:peter", "peter").person(), None);
    }

    #[test]
    fn events_are_read_as_keycloak_writes_them() {
        let admin: AdminEvent = serde_json::from_str(
            r#"{"id":"e1","time":1795250691113,"realmId":"r","authDetails":{"clientId":"c"},
                "operationType":"CREATE","resourceType":"USER","resourcePath":"users/u"}"#,
        )
        .unwrap();
        assert_eq!(admin.time.timestamp_millis(), 1_795_250_691_113);
        assert_eq!(admin.resource_path, "users/u");

        let user: UserEvent = serde_json::from_str(
            r#"{"id":"e2","time":1,"type":"REGISTER","userId":"u","details":{"username":"x"}}"#,
        )
        .unwrap();
        assert_eq!(
            (user.kind.as_str(), user.user_id.as_deref()),
            ("REGISTER", Some("u"))
        );
    }
}
