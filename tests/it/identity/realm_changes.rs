//! A realm that drifted is compared with its file and brought back, and nobody who uses it notices.

use std::fs;

use anyhow::{Context as _, Result};
use auth_bridge::realm::{self, Administrator, Description, Extras, Login, Secrets};
use platform::config::Secret;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::support::{
    builders::id,
    environment::{self, environment},
    keycloak::Keycloak,
    person, workspace,
};

/// What stands for the variables of the realm file; the secrets are those of clients of a realm that lives for one test.
const VARIABLES: [(&str, &str); 6] = [
    ("PUBLIC_ORIGIN", "http://localhost:1"),
    ("TASKS_WEB_SECRET", "secret-1"),
    ("FINANCE_WEB_SECRET", "secret-2"),
    ("TASKS_M2M_SECRET", "secret-3"),
    ("FINANCE_M2M_SECRET", "secret-4"),
    ("AUTH_BRIDGE_SECRET", "secret-5"),
];

/// A realm of its own, made from the product's file under another name.
struct Realm {
    name: String,
    wanted: Description,
    keycloak: Keycloak,
    administrator: Administrator,
}

impl Realm {
    /// An empty realm into which the file was taken over.
    async fn from_file() -> Result<Self> {
        let name = format!("it-{}", id().simple());
        Keycloak::create_realm(&name).await?;
        let login = &environment().keycloak_admin;
        let login = Login::Person {
            username: login.username.clone(),
            password: Secret::new(login.password.clone()),
        };
        let url = Url::parse(&environment().keycloak_url)?;
        let mut realm = Self {
            wanted: file(&name)?,
            keycloak: Keycloak::log_in_at(&name).await?,
            administrator: Administrator::log_in(&url, &name, login).await?,
            name,
        };
        assert_eq!(realm.apply(Extras::Delete).await?, Vec::<String>::new());
        Ok(realm)
    }

    /// What differs, in words.
    async fn differences(&mut self) -> Result<Vec<String>> {
        let running = self.administrator.describe(Secrets::Compare).await?;
        Ok(words(&realm::compare(&self.wanted, &running)))
    }

    /// Takes the file over and answers what remains.
    async fn apply(&mut self, extras: Extras) -> Result<Vec<String>> {
        let administrator = &mut self.administrator;
        let applied = realm::apply(administrator, &self.wanted, Secrets::Compare, extras).await?;
        Ok(words(&applied.remaining))
    }

    async fn change(&self, method: Method, path: &str, body: &Value) -> Result<()> {
        self.keycloak.send(method, path, body).await.map(drop)
    }

    /// Lays `changes` over the representation at `path`.
    async fn overlay(&self, path: &str, changes: &Value) -> Result<()> {
        let mut representation = self.keycloak.get(path).await?;
        let fields = representation.as_object_mut().context("an object")?;
        fields.extend(changes.as_object().context("an object")?.clone());
        self.change(Method::PUT, path, &representation).await
    }

    async fn client_path(&self, client_id: &str) -> Result<String> {
        let client = self.keycloak.client(client_id).await?;
        Ok(format!(
            "clients/{}",
            client["id"].as_str().context("an id")?
        ))
    }

    async fn scope_id(&self, name: &str) -> Result<String> {
        let scopes = self.keycloak.get("client-scopes").await?;
        let scopes = scopes.as_array().context("scopes")?;
        let scope = scopes.iter().find(|scope| scope["name"] == name);
        let id = scope.and_then(|scope| scope["id"].as_str());
        Ok(id.with_context(|| format!("no scope {name}"))?.to_owned())
    }

    /// Changes the realm in every way that the tool knows.
    async fn drift(&mut self) -> Result<()> {
        self.log_in_anew().await?;
        self.drift_of_settings().await?;
        self.log_in_anew().await?;
        self.drift_of_clients().await?;
        self.log_in_anew().await?;
        self.drift_of_roles().await
    }

    /// The token of an administrator lives for a minute, which is short for a machine under load.
    async fn log_in_anew(&mut self) -> Result<()> {
        self.keycloak = Keycloak::log_in_at(&self.name).await?;
        Ok(())
    }

    async fn drift_of_settings(&self) -> Result<()> {
        self.overlay(
            "",
            &json!({
                "accessTokenLifespan": 3_600,
                "registrationAllowed": false,
                "loginTheme": "keycloak.v2",
                "enabledEventTypes": ["LOGIN"],
                "browserSecurityHeaders": {"contentSecurityPolicy": ""},
            }),
        )
        .await?;
        let email = self.scope_id("email").await?;
        let path = format!("default-default-client-scopes/{email}");
        self.change(Method::DELETE, &path, &Value::Null).await
    }

    async fn drift_of_clients(&self) -> Result<()> {
        let web = self.client_path("tasks-web").await?;
        self.overlay(
            &web,
            &json!({"redirectUris": ["*"], "secret": "changed", "consentRequired": true}),
        )
        .await?;
        let mapper = json!({
            "name": "more", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
            "config": {"included.client.audience": "auth", "access.token.claim": "true"}
        });
        let mappers = format!("{web}/protocol-mappers/models");
        self.change(Method::POST, &mappers, &mapper).await?;
        let machine = self.client_path("tasks-m2m").await?;
        let granted = self.scope_id("users:read").await?;
        let optional = format!("{machine}/optional-client-scopes/{granted}");
        self.change(Method::DELETE, &optional, &Value::Null).await?;
        let bridge = self.client_path("finance-m2m").await?;
        self.change(Method::DELETE, &bridge, &Value::Null).await?;
        let scope = self.scope_id("operations:manage").await?;
        self.change(
            Method::DELETE,
            &format!("client-scopes/{scope}"),
            &Value::Null,
        )
        .await?;
        self.change(
            Method::POST,
            "client-scopes",
            &json!({"name": "odd", "protocol": "openid-connect"}),
        )
        .await
    }

    async fn drift_of_roles(&self) -> Result<()> {
        self.overlay("roles/manager", &json!({"description": "Does nothing"}))
            .await?;
        self.change(Method::DELETE, "roles/accountant", &Value::Null)
            .await?;
        self.change(Method::POST, "roles", &json!({"name": "boss"}))
            .await?;
        self.change(Method::POST, "groups", &json!({"name": "north"}))
            .await?;
        let defaults = format!("roles/default-roles-{}/composites", self.name);
        let manager = self.keycloak.get("roles/manager").await?;
        self.change(Method::POST, &defaults, &json!([manager]))
            .await?;
        let bridge = self.client_path("auth-bridge").await?;
        let account = self
            .keycloak
            .get(&format!("{bridge}/service-account-user"))
            .await?;
        let account = account["id"].as_str().context("an id")?;
        let path = format!("users/{account}/role-mappings/realm");
        self.change(Method::POST, &path, &json!([manager])).await
    }

    async fn delete(mut self) -> Result<()> {
        self.log_in_anew().await?;
        self.change(Method::DELETE, "", &Value::Null).await
    }
}

fn words<T: ToString>(differences: &[T]) -> Vec<String> {
    differences.iter().map(ToString::to_string).collect()
}

/// The product's realm file under another name.
fn file(name: &str) -> Result<Description> {
    let text = workspace::read("keycloak/realm/task-exchange-realm.json")
        .replace(
            "\"realm\": \"task-exchange\"",
            &format!("\"realm\": \"{name}\""),
        )
        .replace("/task-exchange/", &format!("/{name}/"))
        .replace(
            "default-roles-task-exchange",
            &format!("default-roles-{name}"),
        );
    let folder = TempDir::new()?;
    let path = folder.path().join("realm.json");
    fs::write(&path, text)?;
    let variable = |asked: &str| {
        let found = VARIABLES.into_iter().find(|(name, _)| *name == asked);
        found.map(|(_, value)| value.to_owned())
    };
    Ok(realm::read(&path, variable)?)
}

#[tokio::test]
async fn every_kind_of_drift_is_named_and_taken_back() -> Result<()> {
    let mut realm = Realm::from_file().await?;
    realm.drift().await?;
    let found = realm.differences().await?;
    for named in [
        "realm: accessTokenLifespan is 3600, in the file 300",
        "realm: registrationAllowed is false, in the file true",
        "realm: loginTheme is \"keycloak.v2\", in the file \"tx\"",
        "realm: enabledEventTypes is [\"LOGIN\"], in the file [",
        "realm: browserSecurityHeaders.contentSecurityPolicy is \"\", in the file \"",
        "realm has the default client scope email: only in the file",
        "client tasks-web: redirectUris is [\"*\"], in the file [",
        "client tasks-web: consentRequired is true, in the file nothing",
        "client tasks-web: its secret is not the file's",
        "mapper \"more\" of client tasks-web: not in the file",
        "client tasks-m2m has the optional client scope users:read: only in the file",
        "client finance-m2m: missing in the realm",
        "client scope operations:manage: missing in the realm",
        "client scope odd: not in the file",
        "role manager: description is \"Does nothing\", in the file \"",
        "role accountant: missing in the realm",
        "role boss: not in the file",
        "group /north: not in the file",
        "gives role manager: not in the file",
        "service account of auth-bridge gives role manager: not in the file",
    ] {
        assert!(
            found.iter().any(|line| line.contains(named)),
            "{named}: not among {found:#?}"
        );
    }
    let mut left = realm.apply(Extras::Keep).await?;
    left.sort();
    assert_eq!(
        left,
        [
            "client scope odd: not in the file",
            "group /north: not in the file",
            "mapper \"more\" of client tasks-web: not in the file",
            "role boss: not in the file",
        ],
        "nothing is deleted unasked"
    );
    assert_eq!(realm.apply(Extras::Delete).await?, Vec::<String>::new());
    assert_eq!(realm.differences().await?, Vec::<String>::new());
    realm.delete().await
}

#[tokio::test]
async fn people_and_their_sessions_survive_a_change_of_the_realm() -> Result<()> {
    let mut realm = Realm::from_file().await?;
    let peter = environment::Login {
        username: "peter".to_owned(),
        password: "a long password of words".to_owned(),
    };
    let person = json!({
        "username": peter.username, "email": "peter@example.org", "emailVerified": true, "firstName": "Peter",
        "lastName": "Novak", "enabled": true, "credentials": [{"type": "password", "value": peter.password}]
    });
    realm.log_in_anew().await?;
    realm.change(Method::POST, "users", &person).await?;
    let before = realm.keycloak.get("users?username=peter").await?;
    let tokens = person::log_in(&realm.name, &peter).await?;

    realm.drift().await?;
    realm.apply(Extras::Delete).await?;

    realm.log_in_anew().await?;
    assert_eq!(realm.keycloak.get("users?username=peter").await?, before);
    person::refresh(&realm.name, &tokens)
        .await
        .context("the session has ended")?;
    person::log_in(&realm.name, &peter)
        .await
        .context("the password has changed")?;
    realm.delete().await
}
