//! The person behind a session: as the user cache knows them, or as their ID token says meanwhile.

use std::collections::BTreeSet;

use contracts::identity::Role;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store::SessionRow;

/// What an ID token says of a person.
///
/// A person may log in before the message of their creation has arrived. They are let in with what the
/// issuer signed a moment ago, for as long as the cache does not know them; nothing is written into the
/// cache, whose only source are the messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TokenPerson {
    pub(super) user_id: Uuid,
    pub(super) username: String,
    pub(super) email: Option<String>,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) roles: Vec<String>,
}

/// Somebody who is logged in, with their rights of this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownPerson {
    pub(super) user_id: Uuid,
    pub(super) username: String,
    pub(super) email: Option<String>,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) roles: BTreeSet<Role>,
}

/// What a session's row says of its person.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// May work.
    Open(KnownPerson),
    /// Is deleted or disabled, or cannot be told.
    Closed,
}

impl From<TokenPerson> for KnownPerson {
    fn from(person: TokenPerson) -> Self {
        Self {
            user_id: person.user_id,
            username: person.username,
            email: person.email,
            first_name: person.first_name,
            last_name: person.last_name,
            roles: known_roles(&person.roles),
        }
    }
}

/// The roles that mean something here; the realm has more.
fn known_roles(names: &[String]) -> BTreeSet<Role> {
    names
        .iter()
        .filter_map(|name| Role::from_name(name))
        .collect()
}

impl Standing {
    /// The cache decides as soon as it knows the person.
    pub(super) fn of(row: SessionRow) -> Self {
        let Some(roles) = row.roles else {
            return match serde_json::from_value::<TokenPerson>(row.person) {
                Ok(person) => Self::Open(person.into()),
                Err(error) => {
                    tracing::error!(%error, "the person of a session cannot be read");
                    Self::Closed
                }
            };
        };
        if row.is_deleted != Some(false) || row.is_enabled != Some(true) {
            return Self::Closed;
        }
        Self::Open(KnownPerson {
            user_id: row.user_id,
            username: row.username.unwrap_or_default(),
            email: row.email,
            first_name: row.first_name.unwrap_or_default(),
            last_name: row.last_name.unwrap_or_default(),
            roles: known_roles(&roles),
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    const ANN: Uuid = Uuid::from_u128(1);

    fn row() -> SessionRow {
        SessionRow {
            user_id: ANN,
            person: json!({
                "user_id": ANN, "username": "ann", "email": null, "first_name": "Ann",
                "last_name": "Early", "roles": ["employee", "offline_access"],
            }),
            check_at: DateTime::UNIX_EPOCH,
            seen_at: DateTime::UNIX_EPOCH,
            ends_at: DateTime::UNIX_EPOCH,
            username: None,
            email: None,
            first_name: None,
            last_name: None,
            roles: None,
            is_enabled: None,
            is_deleted: None,
        }
    }

    fn cached() -> SessionRow {
        SessionRow {
            username: Some("ann".to_owned()),
            first_name: Some("Ann".to_owned()),
            last_name: Some("Late".to_owned()),
            roles: Some(vec!["manager".to_owned()]),
            is_enabled: Some(true),
            is_deleted: Some(false),
            ..row()
        }
    }

    fn open(row: SessionRow) -> KnownPerson {
        match Standing::of(row) {
            Standing::Open(person) => person,
            Standing::Closed => panic!("closed"),
        }
    }

    #[test]
    fn the_token_speaks_until_the_cache_knows_the_person() {
        let person = open(row());
        assert_eq!(person.last_name, "Early");
        assert_eq!(person.roles, BTreeSet::from([Role::Employee]));

        let person = open(cached());
        assert_eq!(person.last_name, "Late");
        assert_eq!(person.roles, BTreeSet::from([Role::Manager]));
    }

    #[test]
    fn deleted_and_disabled_people_are_out() {
        let deleted = SessionRow {
            is_deleted: Some(true),
            ..cached()
        };
        let disabled = SessionRow {
            is_enabled: Some(false),
            ..cached()
        };
        assert_eq!(Standing::of(deleted), Standing::Closed);
        assert_eq!(Standing::of(disabled), Standing::Closed);
    }
}
