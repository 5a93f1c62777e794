//! Which users an event of Keycloak casts doubt on; what became of them is then read anew.
//!
//! Paths and kinds are Keycloak 26.7's. An event that is not understood casts doubt on everybody: a
//! comparison too many costs time, a change too few costs money.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::admin::{AdminEvent, UserEvent};

/// What an event puts in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// One user.
    User(Uuid),
    /// One user, and whoever bore the name before: a partial import that overwrites makes a new user and
    /// takes the old one away without a word.
    Imported(Uuid),
    /// Any user, since the event names none: a group, a composite role, an unknown kind.
    Everybody {
        /// What happened, for the log.
        reason: String,
    },
}

/// An event that matters, reduced to what the sync needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Keycloak's id of the event.
    pub event_id: String,
    /// When it happened, by Keycloak's clock.
    pub at: DateTime<Utc>,
    /// What it puts in doubt; none for events that change nothing others can see.
    pub doubt: Option<Doubt>,
}

impl Recorded {
    /// The user whom it names.
    #[must_use]
    pub fn user(&self) -> Option<Uuid> {
        match self.doubt {
            Some(Doubt::User(user_id) | Doubt::Imported(user_id)) => Some(user_id),
            Some(Doubt::Everybody { .. }) | None => None,
        }
    }
}

/// Kinds of records on which neither users nor their realm roles depend.
const UNRELATED_RESOURCES: [&str; 14] = [
    "AUTHENTICATOR_CONFIG",
    "AUTHORIZATION_POLICY",
    "AUTHORIZATION_RESOURCE",
    "AUTHORIZATION_SCOPE",
    "AUTH_EXECUTION",
    "AUTH_EXECUTION_FLOW",
    "AUTH_FLOW",
    "CLIENT_INITIAL_ACCESS_MODEL",
    "CLIENT_SCOPE",
    "CLIENT_SCOPE_CLIENT_MAPPING",
    "CLIENT_SCOPE_MAPPING",
    "PROTOCOL_MAPPER",
    "REQUIRED_ACTION",
    "USER_SESSION",
];

/// Kinds of user events that come with every login and change nothing others can see.
const LOGIN_NOISE: [&str; 13] = [
    "CLIENT_LOGIN",
    "CODE_TO_TOKEN",
    "INTROSPECT_TOKEN",
    "LOGIN",
    "LOGOUT",
    "REFRESH_TOKEN",
    "RESET_PASSWORD",
    "SEND_RESET_PASSWORD",
    "SEND_VERIFY_EMAIL",
    "TOKEN_EXCHANGE",
    "UPDATE_CREDENTIAL",
    "USER_DISABLED_BY_TEMPORARY_LOCKOUT",
    "USER_INFO_REQUEST",
];

/// Kinds of user events that come without a user while somebody logs in by another identity provider for
/// the first time: there is no account yet, and `REGISTER` or `FEDERATED_IDENTITY_LINK` names it soon.
const BEFORE_THE_ACCOUNT: [&str; 2] = ["IDENTITY_PROVIDER_FIRST_LOGIN", "UPDATE_PROFILE"];

impl From<AdminEvent> for Recorded {
    fn from(event: AdminEvent) -> Self {
        Self {
            doubt: doubt_of_admin_event(&event),
            at: event.time,
            event_id: event.id,
        }
    }
}

impl From<UserEvent> for Recorded {
    fn from(event: UserEvent) -> Self {
        Self {
            doubt: doubt_of_user_event(&event),
            at: event.time,
            event_id: event.id,
        }
    }
}

/// The path decides, since the console takes roles away below `ui-ext/` and kinds are added; only a
/// partial import says `REALM` of a user.
fn doubt_of_admin_event(event: &AdminEvent) -> Option<Doubt> {
    match user_in_path(&event.resource_path) {
        Some(user_id) if event.resource_type == "REALM" => return Some(Doubt::Imported(user_id)),
        Some(user_id) => return Some(Doubt::User(user_id)),
        None => {}
    }
    let is_unrelated = UNRELATED_RESOURCES.contains(&event.resource_type.as_str());
    (!is_unrelated).then(|| Doubt::Everybody {
        reason: format!("{} {}", event.resource_type, event.resource_path),
    })
}

/// The UUID behind a segment `users` anywhere in the path; SCIM writes `Users`.
fn user_in_path(path: &str) -> Option<Uuid> {
    let segments = || path.split('/');
    segments()
        .zip(segments().skip(1))
        .filter(|(name, _)| name.eq_ignore_ascii_case("users"))
        .find_map(|(_, id)| Uuid::try_parse(id).ok())
}

/// A failed attempt changed nothing, and a flood of them must not become a flood of reads.
fn doubt_of_user_event(event: &UserEvent) -> Option<Doubt> {
    if event.kind.ends_with("_ERROR") || LOGIN_NOISE.contains(&event.kind.as_str()) {
        return None;
    }
    if event.user_id.is_none() && BEFORE_THE_ACCOUNT.contains(&event.kind.as_str()) {
        return None;
    }
    let user_id = event
        .user_id
        .as_deref()
        .and_then(|id| Uuid::try_parse(id).ok());
    Some(user_id.map_or_else(
        || Doubt::Everybody {
            reason: event.kind.clone(),
        },
        Doubt::User,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "00000000-0000-4000-8000-000000000004";
    const GROUP: &str = "3c9b6a3e-6f7e-4a56-9a57-0d4f4bb0c111";

    fn of_admin_event(resource_type: &str, resource_path: &str) -> Option<Doubt> {
        doubt_of_admin_event(&AdminEvent {
            id: "e".to_owned(),
            time: DateTime::UNIX_EPOCH,
            resource_type: resource_type.to_owned(),
            resource_path: resource_path.to_owned(),
        })
    }

    fn of_user_event(kind: &str, user_id: Option<&str>) -> Option<Doubt> {
        doubt_of_user_event(&UserEvent {
            id: "e".to_owned(),
            time: DateTime::UNIX_EPOCH,
            kind: kind.to_owned(),
            user_id: user_id.map(str::to_owned),
        })
    }

    fn the_user() -> Option<Doubt> {
        USER.parse().ok().map(Doubt::User)
    }

    fn is_everybody(doubt: Option<&Doubt>) -> bool {
        matches!(doubt, Some(Doubt::Everybody { .. }))
    }

    #[test]
    fn every_path_that_names_a_user_puts_that_user_in_doubt() {
        let cases = [
            ("USER", format!("users/{USER}")),
            (
                "REALM_ROLE_MAPPING",
                format!("users/{USER}/role-mappings/realm"),
            ),
            (
                "REALM_ROLE_MAPPING",
                format!("ui-ext/role-mapping-delete/users/{USER}"),
            ),
            (
                "CLIENT_ROLE_MAPPING",
                format!("users/{USER}/role-mappings/clients/{GROUP}"),
            ),
            ("GROUP_MEMBERSHIP", format!("users/{USER}/groups/{GROUP}")),
            ("USER", format!("users/{USER}/reset-password")),
            ("USER", format!("users/{USER}/logout")),
            (
                "USER_LOGIN_FAILURE",
                format!("attack-detection/brute-force/users/{USER}"),
            ),
            ("USER", format!("scim/v2/Users/{USER}")),
            ("NOT_INVENTED_YET", format!("x/users/{USER}/y")),
        ];
        for (resource_type, path) in cases {
            assert_eq!(of_admin_event(resource_type, &path), the_user(), "{path}");
        }
    }

    #[test]
    fn an_imported_user_may_have_replaced_another() {
        let doubt = of_admin_event("REALM", &format!("users/{USER}"));
        assert_eq!(doubt, USER.parse().ok().map(Doubt::Imported));
    }

    #[test]
    fn a_path_that_names_no_user_puts_everybody_in_doubt() {
        let cases = [
            (
                "REALM_ROLE_MAPPING",
                format!("groups/{GROUP}/role-mappings/realm"),
            ),
            (
                "REALM_ROLE_MAPPING",
                format!("ui-ext/role-mapping-delete/groups/{GROUP}"),
            ),
            (
                "REALM_ROLE",
                format!("ui-ext/role-mapping-delete/roles/{GROUP}"),
            ),
            ("REALM_ROLE", "roles/manager".to_owned()),
            ("REALM_ROLE", format!("roles-by-id/{GROUP}/composites")),
            ("CLIENT_ROLE", format!("clients/{GROUP}/roles/x")),
            ("GROUP", format!("groups/{GROUP}")),
            ("COMPONENT", format!("components/{GROUP}")),
            (
                "IDENTITY_PROVIDER",
                "identity-provider/instances/x".to_owned(),
            ),
            ("REALM", String::new()),
            ("USER", "users-management-permissions".to_owned()),
            ("USER", "users/f:ldap:peter".to_owned()),
            ("GROUP", format!("scim/v2/Groups/{GROUP}")),
            ("NOT_INVENTED_YET", "somewhere".to_owned()),
            ("", String::new()),
        ];
        for (resource_type, path) in cases {
            let doubt = of_admin_event(resource_type, &path);
            assert!(is_everybody(doubt.as_ref()), "{resource_type} {path}");
        }
    }

    #[test]
    fn settings_of_the_login_put_nobody_in_doubt() {
        for resource_type in UNRELATED_RESOURCES {
            assert_eq!(of_admin_event(resource_type, "authentication/x"), None);
        }
    }

    #[test]
    fn what_people_do_to_their_own_account_puts_them_in_doubt() {
        let kinds = [
            "REGISTER",
            "UPDATE_PROFILE",
            "UPDATE_EMAIL",
            "VERIFY_EMAIL",
            "DELETE_ACCOUNT",
            "USER_DISABLED_BY_PERMANENT_LOCKOUT",
            "FEDERATED_IDENTITY_LINK",
            "REMOVE_FEDERATED_IDENTITY",
            "IDENTITY_PROVIDER_FIRST_LOGIN",
        ];
        for kind in kinds {
            assert_eq!(of_user_event(kind, Some(USER)), the_user(), "{kind}");
        }
    }

    #[test]
    fn logins_and_failed_attempts_put_nobody_in_doubt() {
        for kind in LOGIN_NOISE
            .into_iter()
            .chain(["LOGIN_ERROR", "UPDATE_PROFILE_ERROR"])
        {
            assert_eq!(of_user_event(kind, Some(USER)), None, "{kind}");
        }
    }

    #[test]
    fn whoever_comes_from_another_identity_provider_is_in_doubt_once_they_have_an_account() {
        for kind in BEFORE_THE_ACCOUNT {
            assert_eq!(of_user_event(kind, None), None, "{kind}");
            assert_eq!(of_user_event(kind, Some(USER)), the_user(), "{kind}");
            let elsewhere = of_user_event(kind, Some("f:ldap:x"));
            assert!(is_everybody(elsewhere.as_ref()), "{kind}");
        }
    }

    #[test]
    fn a_user_event_without_a_user_puts_everybody_in_doubt() {
        assert!(is_everybody(of_user_event("REGISTER", None).as_ref()));
        assert!(is_everybody(
            of_user_event("NOT_INVENTED_YET", Some("f:ldap:x")).as_ref()
        ));
    }
}
