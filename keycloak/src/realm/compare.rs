//! What differs between a realm file and the realm that runs, in words.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::Value;

use super::{
    description::{Description, Settings},
    things::{Link, Thing},
};

/// Clients that Keycloak makes for itself. Unless the file describes them, they are Keycloak's business.
const OF_KEYCLOAK: [&str; 3] = ["admin-cli", "broker", "realm-management"];

/// What a client, a scope or a mapper has that nobody sets.
const BY_DEFAULT: [(&str, &str); 3] = [
    ("attributes.post.logout.redirect.uris", "+"),
    ("clientAuthenticatorType", "client-secret"),
    ("protocol", "openid-connect"),
];

/// Moments that Keycloak writes down by itself.
const OF_NO_INTEREST: [&str; 2] = [
    "attributes.client.secret.creation.time",
    "attributes.client.secret.expiration.time",
];

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// The file has it, the realm does not.
    Missing(Thing),
    /// The realm has it, the file does not.
    Extra(Thing),
    /// Both have it, with another value.
    Setting {
        /// What it is a setting of.
        of: Thing,
        /// Its name; within a group of settings `group.name`.
        name: String,
        /// Its value in the file.
        wanted: Option<Value>,
        /// Its value in the realm.
        running: Option<Value>,
    },
    /// The file links two things, the realm does not.
    MissingLink(Link),
    /// The realm links two things, the file does not.
    ExtraLink(Link),
    /// A client has another secret than the file.
    Secret(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(thing) => write!(f, "{thing}: missing in the realm"),
            Self::Extra(thing) => write!(f, "{thing}: not in the file"),
            Self::Setting {
                of,
                name,
                wanted,
                running,
            } => {
                let [wanted, running] = [wanted, running].map(|value| match value {
                    None => "nothing".to_owned(),
                    Some(value) => value.to_string(),
                });
                write!(f, "{of}: {name} is {running}, in the file {wanted}")
            }
            Self::MissingLink(link) => write!(f, "{link}: only in the file"),
            Self::ExtraLink(link) => write!(f, "{link}: not in the file"),
            Self::Secret(client) => write!(f, "client {client}: its secret is not the file's"),
        }
    }
}

/// Everything that differs. A setting of the realm itself that the file does not name is not
/// compared; anything else that the file does not name has to be off or empty.
#[must_use]
pub fn compare(wanted: &Description, running: &Description) -> Vec<Difference> {
    let scope = Scope::of(wanted);
    let mut differences = Vec::new();
    for (thing, settings) in &wanted.settings {
        match running.settings.get(thing) {
            None => differences.push(Difference::Missing(thing.clone())),
            Some(found) => differences.extend(of_settings(thing, settings, found)),
        }
    }
    for thing in running.settings.keys() {
        let is_extra = |thing: &Thing| !wanted.settings.contains_key(thing);
        // What belongs to something extra goes with it.
        if is_extra(thing) && scope.covers(thing) && !thing.owner().is_some_and(|it| is_extra(&it))
        {
            differences.push(Difference::Extra(thing.clone()));
        }
    }
    let extra = running
        .links
        .difference(&wanted.links)
        .filter(|link| scope.covers(&link.from) && wanted.is_known(&link.from))
        .cloned();
    differences.extend(extra.map(Difference::ExtraLink));
    let missing = wanted.links.difference(&running.links).cloned();
    differences.extend(missing.map(Difference::MissingLink));
    differences.extend(of_secrets(&wanted.secrets, &running.secrets));
    differences
}

impl Description {
    /// Whether this has the thing; a service account is there with its client.
    fn is_known(&self, thing: &Thing) -> bool {
        match thing {
            Thing::ServiceAccount(client) => {
                self.settings.contains_key(&Thing::Client(client.clone()))
            }
            thing => self.settings.contains_key(thing),
        }
    }
}

/// What of the running realm is compared with the file.
struct Scope<'a> {
    groups: bool,
    described: BTreeSet<&'a str>,
}

impl<'a> Scope<'a> {
    fn of(wanted: &'a Description) -> Self {
        Self {
            groups: wanted.has_groups,
            described: wanted.settings.keys().filter_map(Thing::client).collect(),
        }
    }

    fn covers(&self, thing: &Thing) -> bool {
        match thing {
            Thing::Group(_) => self.groups,
            thing => thing.client().is_none_or(|client| {
                !OF_KEYCLOAK.contains(&client) || self.described.contains(client)
            }),
        }
    }
}

fn of_settings(of: &Thing, wanted: &Settings, running: &Settings) -> Vec<Difference> {
    let names: BTreeSet<&String> = wanted.keys().chain(running.keys()).collect();
    let differs = |name: &&String| match (wanted.get(*name), running.get(*name)) {
        (None, _) if *of == Thing::Realm => false,
        (None, Some(found)) => !goes_without_saying(name, found),
        (Some(value), None) => !is_nothing(value),
        (wanted, found) => wanted != found,
    };
    names
        .into_iter()
        .filter(differs)
        .map(|name| Difference::Setting {
            of: of.clone(),
            name: name.clone(),
            wanted: wanted.get(name).cloned(),
            running: running.get(name).cloned(),
        })
        .collect()
}

fn goes_without_saying(name: &str, value: &Value) -> bool {
    is_nothing(value)
        || OF_NO_INTEREST.contains(&name)
        || BY_DEFAULT
            .iter()
            .any(|(known, default)| *known == name && value == default)
}

/// Off, empty, no number of anything.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_i64().is_some_and(|number| number <= 0),
        Value::String(text) => text.is_empty() || text == "false",
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Those that both sides know; without being asked, nobody reads the running ones.
fn of_secrets<'a>(
    wanted: &'a BTreeMap<String, String>,
    running: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = Difference> + 'a {
    wanted
        .iter()
        .filter(|(client, secret)| running.get(*client).is_some_and(|found| found != *secret))
        .map(|(client, _)| Difference::Secret(client.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The differences between two realms in words.
    fn words(wanted: Value, running: Value) -> Vec<String> {
        let [wanted, running] = [wanted, running].map(|json| Description::from_json(json).unwrap());
        compare(&wanted, &running)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn settings_of_the_realm_are_compared_as_far_as_the_file_names_them() {
        let found = words(
            json!({"rememberMe": true, "events": ["b", "a"], "headers": {"csp": "x"}}),
            json!({"rememberMe": false, "events": ["a", "b"], "headers": {"csp": "y"}, "other": 1}),
        );
        assert_eq!(
            found,
            [
                "realm: headers.csp is \"y\", in the file \"x\"",
                "realm: rememberMe is false, in the file true"
            ]
        );
    }

    #[test]
    fn what_the_file_does_not_name_of_a_client_has_to_be_off() {
        let found = words(
            json!({"clients": [{"clientId": "web", "enabled": true}]}),
            json!({"clients": [{
                "clientId": "web", "enabled": true, "protocol": "openid-connect", "consentRequired": false,
                "redirectUris": ["*"], "attributes": {"realm_client": "false", "lifespan": "9999"}
            }]}),
        );
        assert_eq!(
            found,
            [
                "client web: attributes.lifespan is \"9999\", in the file nothing",
                "client web: redirectUris is [\"*\"], in the file nothing"
            ]
        );
    }

    #[test]
    fn things_that_one_side_lacks_are_named() {
        let found = words(
            json!({"roles": {"realm": [{"name": "manager"}]}, "clientScopes": [{"name": "users:read"}]}),
            json!({"roles": {"realm": [{"name": "manager"}, {"name": "boss"}], "client": {"broker": [{"name": "x"}]}}}),
        );
        assert_eq!(
            found,
            [
                "client scope users:read: missing in the realm",
                "role boss: not in the file"
            ]
        );
    }

    #[test]
    fn links_are_compared_both_ways() {
        let found = words(
            json!({"clients": [{"clientId": "m2m", "optionalClientScopes": ["a"]}]}),
            json!({
                "clients": [{"clientId": "m2m", "defaultClientScopes": ["a"]}],
                "users": [{"serviceAccountClientId": "m2m", "clientRoles": {"realm-management": ["realm-admin"]}}]
            }),
        );
        assert_eq!(
            found,
            [
                "client m2m has the default client scope a: not in the file",
                "service account of m2m gives role realm-admin of client realm-management: not in the file",
                "client m2m has the optional client scope a: only in the file"
            ]
        );
    }

    #[test]
    fn groups_are_left_alone_unless_the_file_speaks_of_them() {
        let running = json!({"groups": [{"name": "north", "subGroups": [{"name": "sales", "realmRoles": ["manager"]}]}]});
        assert_eq!(words(json!({}), running.clone()), Vec::<String>::new());
        assert_eq!(
            words(json!({"groups": [{"name": "north"}]}), running),
            ["group /north/sales: not in the file"]
        );
    }

    #[test]
    fn secrets_that_differ_are_not_told() {
        let client = |secret: &str| json!({"clients": [{"clientId": "m2m", "secret": secret}]});
        assert_eq!(
            words(client("a"), client("b")),
            ["client m2m: its secret is not the file's"]
        );
    }
}
