//! Brings a running realm in line with its file, by exactly those calls that the differences ask for.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    RealmError,
    calls::{Administrator, Secrets},
    compare::{Difference, compare},
    description::{Description, Settings},
    paths::Reference,
    things::{Link, Thing},
};

/// What becomes of parts that the realm has and the file does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extras {
    /// They stay, and remain as differences.
    Keep,
    /// They are deleted, with all that depends on them.
    Delete,
}

/// What was done, and what was not.
#[derive(Debug, Default)]
pub struct Applied {
    /// Differences that are none any more.
    pub changed: Vec<Difference>,
    /// Differences that still are: parts that only the realm has and that were to stay.
    pub remaining: Vec<Difference>,
}

/// Removes what differs between the file and the running realm. Whoever was stopped half-way can begin anew.
///
/// # Errors
/// The first call that Keycloak refuses; what was done before stays done.
pub async fn apply(
    administrator: &mut Administrator,
    wanted: &Description,
    secrets: Secrets,
    extras: Extras,
) -> Result<Applied, RealmError> {
    let running = administrator.describe(secrets).await?;
    let before = compare(wanted, &running);
    if before.is_empty() {
        return Ok(Applied::default());
    }
    let mut realm = Realm {
        administrator,
        running,
    };
    for difference in &before {
        if let Difference::Missing(thing) = difference {
            realm.create(thing, wanted).await?;
        }
    }
    // What was made just now has defaults of Keycloak's.
    realm.running = realm.administrator.describe(secrets).await?;
    let differences = compare(wanted, &realm.running);
    for (thing, changes) in changed_settings(&differences, wanted) {
        realm.set(&thing, changes).await?;
    }
    for difference in &differences {
        match difference {
            Difference::ExtraLink(link) => realm.unlink(link).await?,
            Difference::MissingLink(link) => realm.link(link).await?,
            _ => {}
        }
    }
    if extras == Extras::Delete {
        for difference in differences.iter().rev() {
            if let Difference::Extra(thing) = difference {
                realm.delete(thing).await?;
            }
        }
    }
    let running = realm.administrator.describe(secrets).await?;
    let remaining = compare(wanted, &running);
    let changed = before
        .into_iter()
        .filter(|difference| !remaining.contains(difference))
        .collect();
    Ok(Applied { changed, remaining })
}

/// Per thing the settings that have to change, with their new values; nothing stands for whatever is off or empty.
fn changed_settings(differences: &[Difference], wanted: &Description) -> BTreeMap<Thing, Settings> {
    let mut changes: BTreeMap<Thing, Settings> = BTreeMap::new();
    for difference in differences {
        let (of, name, value) = match difference {
            Difference::Setting {
                of,
                name,
                wanted: Some(value),
                ..
            } => (of.clone(), name.clone(), value.clone()),
            Difference::Setting {
                of, name, running, ..
            } => (of.clone(), name.clone(), nothing_like(running.as_ref())),
            Difference::Secret(client) => {
                let secret = wanted.secrets.get(client).cloned();
                let client = Thing::Client(client.clone());
                (client, "secret".to_owned(), json!(secret))
            }
            _ => continue,
        };
        changes.entry(of).or_default().insert(name, value);
    }
    changes
}

/// How Keycloak is told that something is to be off or empty.
fn nothing_like(value: Option<&Value>) -> Value {
    match value {
        Some(Value::Bool(_)) => json!(false),
        Some(Value::Number(_)) => json!(0),
        Some(Value::Array(_)) => json!([]),
        Some(Value::Object(_)) => json!({}),
        Some(Value::String(_) | Value::Null) | None => json!(""),
    }
}

/// Puts flat settings into a representation.
fn overlay(representation: &mut Map<String, Value>, settings: Settings) {
    for (name, value) in settings {
        let Some((group, inner)) = name.split_once('.') else {
            representation.insert(name, value);
            continue;
        };
        let group = representation.entry(group).or_insert_with(|| json!({}));
        if let Some(group) = group.as_object_mut() {
            group.insert(inner.to_owned(), value);
        }
    }
}

struct Realm<'a> {
    administrator: &'a mut Administrator,
    running: Description,
}

impl Realm<'_> {
    /// Makes a thing with its settings; its links follow.
    async fn create(&mut self, thing: &Thing, wanted: &Description) -> Result<(), RealmError> {
        let mut representation = Map::new();
        let key = match thing {
            Thing::Client(_) => "clientId",
            _ => "name",
        };
        representation.insert(key.to_owned(), json!(thing.name()));
        if let Thing::Client(client) = thing
            && let Some(secret) = wanted.secrets.get(client)
        {
            representation.insert("secret".to_owned(), json!(secret));
        }
        let settings = wanted.settings.get(thing).cloned().unwrap_or_default();
        overlay(&mut representation, settings);
        let path = self.running.collection_of(thing)?;
        let body = Value::Object(representation);
        let id = self
            .administrator
            .change(Method::POST, &path, Some(&body))
            .await?;
        if let Some(id) = id {
            // Keycloak answers the name of a role instead of its id, which nothing that is made next needs.
            self.running.ids.insert(thing.clone(), id);
        }
        Ok(())
    }

    async fn set(&mut self, thing: &Thing, changes: Settings) -> Result<(), RealmError> {
        let path = self.running.path_of(thing)?;
        let mut representation = self.administrator.read(&path).await?;
        overlay(&mut representation, changes);
        let body = Value::Object(representation);
        self.administrator
            .change(Method::PUT, &path, Some(&body))
            .await
            .map(drop)
    }

    async fn delete(&mut self, thing: &Thing) -> Result<(), RealmError> {
        let path = self.running.path_of(thing)?;
        self.administrator
            .change(Method::DELETE, &path, None)
            .await
            .map(drop)
    }

    async fn link(&mut self, link: &Link) -> Result<(), RealmError> {
        let Reference { path, body } = self.running.reference(link)?;
        let method = if body.is_some() {
            Method::POST
        } else {
            Method::PUT
        };
        self.administrator
            .change(method, &path, body.as_ref())
            .await
            .map(drop)
    }

    async fn unlink(&mut self, link: &Link) -> Result<(), RealmError> {
        let Reference { path, body } = self.running.reference(link)?;
        self.administrator
            .change(Method::DELETE, &path, body.as_ref())
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_does_not_name_is_switched_off_or_emptied() {
        let wanted = Description::from_json(json!({
            "clients": [{"clientId": "web", "enabled": true, "attributes": {"pkce": "S256"}}]
        }))
        .unwrap();
        let running = Description::from_json(json!({
            "clients": [{"clientId": "web", "enabled": false, "consentRequired": true, "redirectUris": ["*"],
                "attributes": {"pkce": "plain", "lifespan": "9"}}]
        }))
        .unwrap();
        let mut changes = changed_settings(&compare(&wanted, &running), &wanted);
        let mut representation =
            json!({"name": "kept", "attributes": {"pkce": "plain", "lifespan": "9"}});
        let settings = changes.remove(&Thing::Client("web".to_owned())).unwrap();
        overlay(representation.as_object_mut().unwrap(), settings);
        assert_eq!(
            representation,
            json!({
                "name": "kept", "enabled": true, "consentRequired": false, "redirectUris": [],
                "attributes": {"pkce": "S256", "lifespan": ""}
            })
        );
    }
}
