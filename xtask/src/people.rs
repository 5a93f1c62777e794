//! The demo people, read from the realm file so that they are written down once.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::{
    environment::Environment,
    facts::{DEMO_PASSWORD, REALM},
};

/// Somebody to log in as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Person {
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) user_id: String,
    /// Effective realm roles of ours, those of composites included.
    pub(crate) roles: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RealmFile {
    users: Vec<RealmUser>,
    roles: RealmRoles,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RealmUser {
    id: Option<String>,
    username: String,
    service_account_client_id: Option<String>,
    #[serde(default)]
    realm_roles: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct RealmRoles {
    realm: Vec<RealmRole>,
}

#[derive(Debug, Deserialize)]
struct RealmRole {
    name: String,
    #[serde(default)]
    composites: Composites,
}

#[derive(Debug, Default, Deserialize)]
struct Composites {
    #[serde(default)]
    realm: Vec<String>,
}

/// The roles that mean something to the services (DESIGN.md section 9).
const APPLICATION_ROLES: [&str; 4] = ["administrator", "manager", "accountant", "employee"];

/// Everybody in the realm file who is a person.
pub(crate) fn of(environment: &Environment) -> Result<Vec<Person>> {
    let path = environment
        .checkout
        .join(format!("keycloak/realm/{REALM}-realm.json"));
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("{} is not a realm file", path.display()))
}

fn parse(text: &str) -> Result<Vec<Person>> {
    let realm: RealmFile = serde_json::from_str(text)?;
    let person = |user: &RealmUser| {
        Some(Person {
            username: user.username.clone(),
            password: DEMO_PASSWORD.to_owned(),
            user_id: user.id.clone()?,
            roles: effective_roles(&user.realm_roles, &realm.roles.realm),
        })
    };
    Ok(realm
        .users
        .iter()
        .filter(|user| user.service_account_client_id.is_none())
        .filter_map(person)
        .collect())
}

fn effective_roles(direct: &[String], known: &[RealmRole]) -> Vec<String> {
    let composites = direct
        .iter()
        .filter_map(|name| known.iter().find(|role| role.name == *name))
        .flat_map(|role| &role.composites.realm);
    let all: BTreeSet<&str> = direct
        .iter()
        .chain(composites)
        .map(String::as_str)
        .collect();
    APPLICATION_ROLES
        .into_iter()
        .filter(|role| all.contains(role))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_have_the_roles_of_their_composites_and_services_are_left_out() {
        let people = parse(
            r#"{"roles": {"realm": [{"name": "manager"}, {"name": "everybody", "composites": {"realm": ["employee", "offline"]}}]},
                "users": [{"id": "1", "username": "mike", "realmRoles": ["manager", "everybody"]},
                          {"username": "service-account-x", "serviceAccountClientId": "x"}]}"#,
        )
        .unwrap();
        assert_eq!(people.len(), 1);
        assert_eq!(people[0].roles, ["manager", "employee"]);
    }
}
