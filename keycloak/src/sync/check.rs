//! Whether Keycloak lets the bridge see what it needs to see.
//!
//! A missing right can look like missing data: without `view-realm` some versions of Keycloak answer
//! with an empty list of roles instead of a refusal (keycloak/keycloak issues 52399 and 52753). Taken
//! for true it would strip everybody of their roles, and every open task would change hands.

use chrono::{DateTime, Utc};

use crate::admin::{EventQuery, Keycloak, KeycloakError, Profile, RealmSettings};

/// How many users are looked at to find one who holds a role; everybody holds the default ones.
const ROLE_HOLDERS: u32 = 20;

/// Kinds of user events without which changes would only be found by comparison.
const NEEDED_EVENT_TYPES: [&str; 5] = [
    "DELETE_ACCOUNT",
    "REGISTER",
    "UPDATE_EMAIL",
    "UPDATE_PROFILE",
    "USER_DISABLED_BY_PERMANENT_LOCKOUT",
];

/// Why the bridge must not run.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The service account lacks a right.
    #[error(
        "the service account of the bridge lacks the role {0} of the client realm-management: \
         give it in Keycloak under Clients, Service account roles"
    )]
    MissingRole(&'static str),
    /// Nobody seems to hold any role.
    #[error(
        "Keycloak shows no realm role of anybody, as it does to a service account without the \
         role view-realm of the client realm-management"
    )]
    RolesHidden,
    /// Nothing can be said while Keycloak does not answer.
    #[error("Keycloak cannot be asked")]
    Unknown(#[source] KeycloakError),
}

/// Changes that Keycloak does not record: they are found by comparison only, hours late.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrecorded {
    /// Nothing done through the console or REST.
    #[error("the realm does not save admin events: switch them on under Realm settings, Events")]
    AdminEvents,
    /// Nothing done by people themselves.
    #[error("the realm does not save user events: switch them on under Realm settings, Events")]
    UserEvents,
    /// Some of what people do.
    #[error("the realm does not save user events of these kinds: {0}")]
    Kinds(String),
}

/// Checks every right by using it.
///
/// # Errors
/// [`Unfit`] says in words which one is missing.
pub async fn rights<K: Keycloak>(keycloak: &K, now: DateTime<Utc>) -> Result<(), Unfit> {
    let settings = keycloak.settings().await.map_err(lacking("view-realm"))?;
    if settings.admin_events_enabled.is_none() || settings.events_enabled.is_none() {
        return Err(Unfit::MissingRole("view-realm"));
    }
    let newest = EventQuery { since: now, max: 1 };
    keycloak
        .admin_events(newest)
        .await
        .map_err(lacking("view-events"))?;
    keycloak
        .user_events(newest)
        .await
        .map_err(lacking("view-events"))?;
    role_holder(keycloak).await
}

/// Looks for somebody who holds a role; a realm without people has nobody to look for.
pub(super) async fn role_holder<K: Keycloak>(keycloak: &K) -> Result<(), Unfit> {
    let users = keycloak
        .users(0, ROLE_HOLDERS)
        .await
        .map_err(lacking("view-users"))?;
    let mut is_empty = true;
    for id in users.iter().filter_map(Profile::person) {
        let roles = keycloak.roles(id).await.map_err(lacking("view-users"))?;
        match roles {
            Some(roles) if !roles.is_empty() => return Ok(()),
            Some(_) => is_empty = false,
            None => {}
        }
    }
    if is_empty {
        Ok(())
    } else {
        Err(Unfit::RolesHidden)
    }
}

fn lacking(role: &'static str) -> impl Fn(KeycloakError) -> Unfit {
    move |error| match error {
        KeycloakError::Forbidden(_) => Unfit::MissingRole(role),
        error @ (KeycloakError::NoRealm | KeycloakError::Unavailable { .. }) => {
            Unfit::Unknown(error)
        }
    }
}

/// Checks that the realm records what the bridge looks for.
///
/// # Errors
/// [`Unrecorded`] says in words what is not recorded.
pub fn recording(settings: &RealmSettings) -> Result<(), Unrecorded> {
    if settings.admin_events_enabled != Some(true) {
        return Err(Unrecorded::AdminEvents);
    }
    if settings.events_enabled != Some(true) {
        return Err(Unrecorded::UserEvents);
    }
    let listed = &settings.enabled_event_types;
    let missing: Vec<&str> = NEEDED_EVENT_TYPES
        .into_iter()
        .filter(|needed| !listed.is_empty() && listed.iter().all(|kind| kind != needed))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Unrecorded::Kinds(missing.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> RealmSettings {
        RealmSettings {
            events_enabled: Some(true),
            admin_events_enabled: Some(true),
            enabled_event_types: NEEDED_EVENT_TYPES.map(str::to_owned).to_vec(),
        }
    }

    #[test]
    fn a_realm_that_records_what_is_needed_is_fine() {
        assert_eq!(recording(&settings()), Ok(()));
        let mut all_kinds = settings();
        all_kinds.enabled_event_types.clear();
        assert_eq!(recording(&all_kinds), Ok(()));
    }

    #[test]
    fn what_a_realm_does_not_record_is_named() {
        let mut without_admin = settings();
        without_admin.admin_events_enabled = Some(false);
        assert_eq!(recording(&without_admin), Err(Unrecorded::AdminEvents));

        let mut without_user = settings();
        without_user.events_enabled = Some(false);
        assert_eq!(recording(&without_user), Err(Unrecorded::UserEvents));

        let mut without_kind = settings();
        without_kind
            .enabled_event_types
            .retain(|kind| kind != "REGISTER");
        let named = Unrecorded::Kinds("REGISTER".to_owned());
        assert_eq!(recording(&without_kind), Err(named));
    }
}
