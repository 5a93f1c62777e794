//! The real Keycloak: six reads of its admin REST interface through the shared peer client.

use std::num::NonZeroU32;

use platform::{
    auth::{IdentityConfig, Issuer, MachineToken},
    peer::{PeerClient, PeerConfig, PeerError},
    sources::Sources,
};
use reqwest::StatusCode;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use url::Url;
use uuid::Uuid;

use super::{
    AdminEvent, EventOrder, EventQuery, Keycloak, KeycloakError, Profile, RealmSettings, UserEvent,
};

/// A scope that every client has: the rights come with the account, and asking for none is refused.
const SCOPE: &str = "roles";

/// Section `[keycloak]`: where the realm is, and how hard it may be asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeycloakConfig {
    /// Where Keycloak is, without a path.
    pub url: Url,
    /// The realm's name.
    pub realm: String,
    /// The most calls under way at once.
    pub max_in_flight: NonZeroU32,
    /// The most calls a second.
    pub per_second: NonZeroU32,
    /// The time for one call with all its attempts, in milliseconds.
    pub deadline_ms: u64,
}

/// Calls as the bridge's service account; clones share limits, breaker and token.
#[derive(Debug, Clone)]
pub struct AdminClient {
    peer: PeerClient,
    realm: String,
}

#[derive(Deserialize)]
struct RoleName {
    name: String,
}

impl AdminClient {
    /// A client that logs in as the machine client of `identity`.
    ///
    /// # Errors
    /// When the trust anchors of the machine cannot be read.
    pub fn try_new(
        config: &KeycloakConfig,
        identity: &IdentityConfig,
        issuer: Issuer,
        sources: Sources,
    ) -> reqwest::Result<Self> {
        let token = MachineToken::new(issuer, identity, SCOPE, sources.clone());
        let peer = PeerConfig {
            url: config.url.clone(),
            max_in_flight: config.max_in_flight,
            per_second: config.per_second,
            deadline_ms: config.deadline_ms,
        };
        Ok(Self {
            peer: PeerClient::try_new("keycloak", &peer, token, sources)?,
            realm: config.realm.clone(),
        })
    }

    /// Reads `path` below the realm, which is empty or begins with a slash: Keycloak refuses a double
    /// one. None when there is no such thing.
    async fn get<T: DeserializeOwned>(
        &self,
        subject: &'static str,
        path: &str,
    ) -> Result<Option<T>, KeycloakError> {
        let answer = self.peer.get_json(&self.path(path)).await;
        found(subject, answer)
    }

    fn path(&self, path: &str) -> String {
        format!("/admin/realms/{}{path}", self.realm)
    }

    /// That the realm is there; what was true a second ago will do, and many ask at once.
    async fn confirm_realm(&self) -> Result<(), KeycloakError> {
        let answer = self.peer.get_recent(&self.path("")).await;
        let realm: Option<IgnoredAny> = found("the realm", answer)?;
        realm.map(drop).ok_or(KeycloakError::NoRealm)
    }

    /// Reads what a realm always has.
    async fn get_part<T: DeserializeOwned>(
        &self,
        subject: &'static str,
        path: &str,
    ) -> Result<T, KeycloakError> {
        self.get(subject, path).await?.ok_or(KeycloakError::NoRealm)
    }

    /// Reads something of one user; "not found" only counts while the realm itself is found, since a
    /// wrong realm or a proxy without its backend answers the same.
    async fn get_of_user<T: DeserializeOwned>(
        &self,
        subject: &'static str,
        path: &str,
    ) -> Result<Option<T>, KeycloakError> {
        let found = self.get(subject, path).await?;
        if found.is_none() {
            self.confirm_realm().await?;
        }
        Ok(found)
    }
}

impl Keycloak for AdminClient {
    async fn settings(&self) -> Result<RealmSettings, KeycloakError> {
        self.get_part("the realm", "").await
    }

    async fn users(&self, first: u32, max: u32) -> Result<Vec<Profile>, KeycloakError> {
        let path = format!("/users?briefRepresentation=true&first={first}&max={max}");
        self.get_part("users", &path).await
    }

    async fn user(&self, id: Uuid) -> Result<Option<Profile>, KeycloakError> {
        self.get_of_user("a user", &format!("/users/{id}")).await
    }

    async fn roles(&self, id: Uuid) -> Result<Option<Vec<String>>, KeycloakError> {
        let path = format!("/users/{id}/role-mappings/realm/composite");
        let roles: Option<Vec<RoleName>> = self.get_of_user("roles", &path).await?;
        Ok(roles.map(|roles| roles.into_iter().map(|role| role.name).collect()))
    }

    async fn admin_events(&self, query: EventQuery) -> Result<Vec<AdminEvent>, KeycloakError> {
        self.get_part("admin events", &events_path("/admin-events", query))
            .await
    }

    async fn user_events(&self, query: EventQuery) -> Result<Vec<UserEvent>, KeycloakError> {
        self.get_part("user events", &events_path("/events", query))
            .await
    }
}

/// An answer; none when there is no such thing.
fn found<T>(
    subject: &'static str,
    answer: Result<T, PeerError>,
) -> Result<Option<T>, KeycloakError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(PeerError::NotFound) => Ok(None),
        Err(PeerError::Refused { status }) if status == StatusCode::FORBIDDEN => {
            Err(KeycloakError::Forbidden(subject))
        }
        Err(cause) => Err(KeycloakError::Unavailable { subject, cause }),
    }
}

/// The default page is short.
fn events_path(store: &str, query: EventQuery) -> String {
    let since = query.since.timestamp_millis();
    let direction = match query.order {
        EventOrder::OldestFirst => "asc",
        EventOrder::NewestFirst => "desc",
    };
    let max = query.max;
    format!("{store}?dateFrom={since}&direction={direction}&max={max}")
}
