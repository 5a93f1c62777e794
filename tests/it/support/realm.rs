//! A realm of a test's own, made from the product's file, for what would disturb others in the shared one.

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    builders::id,
    keycloak::{Keycloak, Server, time_of},
    waiting::eventually,
    workspace,
};

/// The product's realm; its name is also part of names inside.
const FILE: &str = "keycloak/realm/task-exchange-realm.json";
const NAME: &str = "task-exchange";

/// Nobody logs in to pages here.
const NO_ORIGIN: &str = "http://localhost:1";

/// What stands for the secrets of all clients.
pub(crate) const SECRET: &str = "it";

/// A realm with the product's settings, roles, clients and rights, and the given people.
#[derive(Debug)]
pub(crate) struct TestRealm {
    pub(crate) name: String,
    server: Server,
}

impl TestRealm {
    /// Imports it; `people` come with it, so that no event tells of them.
    pub(crate) async fn import(people: &[Value]) -> Result<Self> {
        Self::import_with(&json!({ "users": people })).await
    }

    /// Imports it with further settings and people; no event tells of either.
    pub(crate) async fn import_with(settings: &Value) -> Result<Self> {
        Self::import_to(&Server::shared(), settings).await
    }

    /// The same on any server.
    pub(crate) async fn import_to(server: &Server, settings: &Value) -> Result<Self> {
        let name = format!("it-{}", id().simple());
        Keycloak::import_realm(server, &description(&name, settings)?).await?;
        let server = server.clone();
        Ok(Self { name, server })
    }

    /// The administrator, looking after this realm.
    pub(crate) async fn log_in(&self) -> Result<Keycloak> {
        Keycloak::log_in_to(&self.server, &self.name).await
    }

    /// Changes the settings that `changes` names.
    pub(crate) async fn change(&self, changes: &Value) -> Result<()> {
        let keycloak = self.log_in().await?;
        keycloak.send(Method::PUT, "", changes).await.map(drop)
    }

    /// The time of the only user event of this kind about `person`, which is waited for.
    pub(crate) async fn event_time(&self, person: Uuid, kind: &str) -> Result<DateTime<Utc>> {
        let path = format!("events?user={person}&type={kind}");
        let events = eventually(&format!("Keycloak records {kind}"), || async {
            let events = self.log_in().await?.get(&path).await?;
            Ok(Some(events).filter(|events| events[0].is_object()))
        })
        .await?;
        ensure!(events[1].is_null(), "more than one: {events}");
        time_of(&events[0])
    }

    /// The address of the realm.
    pub(crate) fn url(&self) -> String {
        format!("{}/realms/{}", self.server.url, self.name)
    }

    /// Deletes it; one that a failed test leaves behind can be looked at.
    pub(crate) async fn remove(self) -> Result<()> {
        self.log_in().await?.delete_realm().await
    }
}

/// The product's realm under another name, with new ids, known secrets, and neither mail nor theme.
fn description(name: &str, settings: &Value) -> Result<Value> {
    let mut text = workspace::read(FILE).replace(NAME, name);
    for origin in ["${PUBLIC_ORIGIN}", "${BACKCHANNEL_ORIGIN,PUBLIC_ORIGIN}"] {
        text = text.replace(origin, NO_ORIGIN);
    }
    for client in [
        "TASKS_WEB",
        "FINANCE_WEB",
        "TASKS_M2M",
        "FINANCE_M2M",
        "AUTH_BRIDGE",
    ] {
        text = text.replace(&format!("${{{client}_SECRET}}"), SECRET);
    }
    let mut realm: Value = serde_json::from_str(&text)?;
    forget_ids(&mut realm);
    realm["smtpServer"] = json!({});
    realm["loginTheme"] = Value::Null;
    let users = realm["users"].as_array_mut().into_iter().flatten();
    let accounts = users.filter(|user| user["serviceAccountClientId"].is_string());
    let accounts: Vec<Value> = accounts.map(Value::take).collect();
    let people = settings["users"].as_array().into_iter().flatten();
    let users = accounts.into_iter().chain(people.cloned()).collect();
    let fields = realm.as_object_mut().context("a realm is an object")?;
    fields.extend(settings.as_object().cloned().unwrap_or_default());
    fields.insert("users".to_owned(), users);
    ensure!(
        !realm.to_string().contains("_SECRET}"),
        "a secret of {FILE} is unknown here"
    );
    Ok(realm)
}

/// Ids are unique over all realms.
fn forget_ids(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("id");
            fields.remove("containerId");
            fields.values_mut().for_each(forget_ids);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_ids),
        _ => {}
    }
}
