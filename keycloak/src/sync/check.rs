//! Whether Keycloak lets the bridge see what it needs to see, and records what it looks for.
//!
//! A missing right can look like missing data: without `view-realm` some versions of Keycloak answer
//! with an empty list of roles instead of a refusal (keycloak/keycloak issues 52399 and 52753). Taken
//! for true it would strip everybody of their roles, and every open task would change hands.

use chrono::{DateTime, TimeDelta, Utc};

use super::paging;
use crate::admin::{EventQuery, Keycloak, KeycloakError, Profile, RealmSettings};

/// How many users are looked at to find one who holds a role, and at once. As a rule the first does,
/// since everybody holds the default ones; those of a partial import hold none.
const MOST_LOOKED_AT: u32 = 500;
const PAGE: u32 = 20;
const PAGE_STEP: usize = 20;

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
    /// The realm does not record what the bridge looks for.
    #[error("the realm does not record what changes")]
    Unrecorded(#[source] Unrecorded),
    /// Nothing can be said while Keycloak does not answer.
    #[error("Keycloak cannot be asked")]
    Unknown(#[source] KeycloakError),
}

/// How long events have to be kept: a bridge that was away for a night still finds each change with
/// the time at which it was made.
const SHORTEST_RETENTION: TimeDelta = TimeDelta::days(1);

/// Changes that Keycloak does not record would only be found by comparison, late and without their time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrecorded {
    /// Nothing done through the console or REST.
    #[error("the realm does not save admin events: switch them on under Realm settings, Events")]
    AdminEvents,
    /// Nothing done by people themselves.
    #[error("the realm does not save user events: switch them on under Realm settings, Events")]
    UserEvents,
    /// Some of what people do.
    #[error(
        "the realm does not save user events of these kinds: {0}; add them under Realm settings, Events"
    )]
    Kinds(String),
    /// Events vanish before a bridge that was away could read them.
    #[error(
        "the realm keeps {events} events for {seconds} seconds only: let them expire after a day or more under Realm settings, Events"
    )]
    Retention {
        /// Which events.
        events: &'static str,
        /// How long they are kept.
        seconds: i64,
    },
}

/// Checks everything that the bridge needs of Keycloak.
///
/// # Errors
/// [`Unfit`] says in words what is missing.
pub async fn fitness<K: Keycloak>(keycloak: &K, now: DateTime<Utc>) -> Result<(), Unfit> {
    let settings = rights(keycloak, now).await?;
    recording(&settings).map_err(Unfit::Unrecorded)
}

/// Checks every right by using it, and answers the settings that it shows.
///
/// # Errors
/// [`Unfit`] says in words which one is missing.
pub async fn rights<K: Keycloak>(keycloak: &K, now: DateTime<Utc>) -> Result<RealmSettings, Unfit> {
    let settings = keycloak.settings().await.map_err(lacking("view-realm"))?;
    if settings.admin_events_enabled.is_none() || settings.events_enabled.is_none() {
        return Err(Unfit::MissingRole("view-realm"));
    }
    let newest = EventQuery {
        max: 1,
        ..paging::newest(now)
    };
    keycloak
        .admin_events(newest)
        .await
        .map_err(lacking("view-events"))?;
    keycloak
        .user_events(newest)
        .await
        .map_err(lacking("view-events"))?;
    role_holder(keycloak).await?;
    Ok(settings)
}

/// Looks for somebody who holds a role; a realm without people has nobody to look for.
pub(super) async fn role_holder<K: Keycloak>(keycloak: &K) -> Result<(), Unfit> {
    let mut is_empty = true;
    for first in (0..MOST_LOOKED_AT).step_by(PAGE_STEP) {
        let page = keycloak.users(first, PAGE).await;
        let page = page.map_err(lacking("view-users"))?;
        for id in page.iter().filter_map(Profile::person) {
            match keycloak.roles(id).await.map_err(lacking("view-users"))? {
                Some(roles) if !roles.is_empty() => return Ok(()),
                Some(_) => is_empty = false,
                None => {}
            }
        }
        if page.len() < PAGE_STEP {
            break;
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
    if !missing.is_empty() {
        return Err(Unrecorded::Kinds(missing.join(", ")));
    }
    let kept = [
        ("user", settings.events_expiration),
        ("admin", settings.attributes.admin_events_expiration()),
    ];
    for (events, seconds) in kept {
        // Nothing and zero mean for ever.
        let seconds = seconds.filter(|seconds| *seconds > 0);
        if let Some(seconds) = seconds.filter(|seconds| *seconds < SHORTEST_RETENTION.num_seconds())
        {
            return Err(Unrecorded::Retention { events, seconds });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::RealmAttributes;

    fn settings() -> RealmSettings {
        RealmSettings {
            events_enabled: Some(true),
            admin_events_enabled: Some(true),
            enabled_event_types: NEEDED_EVENT_TYPES.map(str::to_owned).to_vec(),
            events_expiration: Some(86_400),
            attributes: RealmAttributes {
                admin_events_expiration: Some("86400".to_owned()),
            },
        }
    }

    #[test]
    fn a_realm_that_records_what_is_needed_is_fine() {
        assert_eq!(recording(&settings()), Ok(()));
        let mut all_kinds = settings();
        all_kinds.enabled_event_types.clear();
        assert_eq!(recording(&all_kinds), Ok(()));
        let mut for_ever = settings();
        for_ever.events_expiration = None;
        for_ever.attributes.admin_events_expiration = Some("0".to_owned());
        assert_eq!(recording(&for_ever), Ok(()));
    }

    #[test]
    fn events_that_vanish_within_a_day_are_not_enough() {
        let too_short = |events, seconds| Err(Unrecorded::Retention { events, seconds });
        let mut user = settings();
        user.events_expiration = Some(86_399);
        assert_eq!(recording(&user), too_short("user", 86_399));
        let mut admin = settings();
        admin.attributes.admin_events_expiration = Some("60".to_owned());
        assert_eq!(recording(&admin), too_short("admin", 60));
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
