//! Keycloak as its administrator uses it, and tokens as machines get them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    environment::{Login, environment},
    http, person,
};

/// A running Keycloak.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// As its tokens name it.
    pub(crate) url: String,
    pub(crate) administrator: Login,
}

impl Server {
    /// The one that all tests share.
    pub(crate) fn shared() -> Self {
        let environment = environment();
        Self {
            url: environment.keycloak_url.clone(),
            administrator: environment.keycloak_admin.clone(),
        }
    }
}

/// Keycloak with the rights of its administrator.
#[derive(Debug)]
pub(crate) struct Keycloak {
    client: Client,
    server: Server,
    realm: String,
    token: String,
}

impl Keycloak {
    /// Logs the administrator in, to look after the environment's realm; the token lives for a minute.
    pub(crate) async fn log_in() -> Result<Self> {
        Self::log_in_at(&environment().realm).await
    }

    /// The same at another realm.
    pub(crate) async fn log_in_at(realm: &str) -> Result<Self> {
        Self::log_in_to(&Server::shared(), realm).await
    }

    /// The same at a realm of any server.
    pub(crate) async fn log_in_to(server: &Server, realm: &str) -> Result<Self> {
        let client = http::client()?;
        let form = [
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
            ("username", &server.administrator.username),
            ("password", &server.administrator.password),
        ];
        let answer = request_token(&client, &server.url, "master", &form).await?;
        let token = answer["access_token"]
            .as_str()
            .context("no token for the administrator")?
            .to_owned();
        Ok(Self {
            client,
            server: server.clone(),
            realm: realm.to_owned(),
            token,
        })
    }

    /// The administrator's token, which is of the realm `master`.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Makes an empty realm.
    pub(crate) async fn create_realm(name: &str) -> Result<()> {
        let description = json!({"realm": name, "enabled": true});
        Self::import_realm(&Server::shared(), &description).await
    }

    /// Makes the realm that `description` describes, which takes Keycloak seconds: it draws keys.
    pub(crate) async fn import_realm(server: &Server, description: &Value) -> Result<()> {
        let keycloak = Self::log_in_to(server, "").await?;
        let url = format!("{}/admin/realms", server.url);
        let request = keycloak.client.post(url).bearer_auth(&keycloak.token);
        let request = request.timeout(Duration::from_mins(2));
        let answer = request.json(description).send().await?;
        let status = answer.status();
        ensure!(
            status == StatusCode::CREATED,
            "{status}: {}",
            answer.text().await?
        );
        Ok(())
    }

    /// Deletes the realm with everything in it.
    pub(crate) async fn delete_realm(&self) -> Result<()> {
        self.send(Method::DELETE, "", &Value::Null).await.map(drop)
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let realm = format!("{}/admin/realms/{}", self.server.url, self.realm);
        // Keycloak refuses a slash at the end.
        let url = match path {
            "" => realm,
            path => format!("{realm}/{path}"),
        };
        self.client.request(method, url).bearer_auth(&self.token)
    }

    /// Sends one call and demands that it succeeds.
    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Response> {
        let answer = self.call(method, path).json(body).send().await?;
        ensure!(
            answer.status().is_success(),
            "{path}: {} {}",
            answer.status(),
            answer.text().await?
        );
        Ok(answer)
    }

    /// Reads JSON.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.call(Method::GET, path).send().await?;
        ensure!(
            answer.status() == StatusCode::OK,
            "{path}: {}",
            answer.status()
        );
        Ok(answer.json().await?)
    }

    /// Creates a person who may log in.
    pub(crate) async fn create_person(&self, username: &str) -> Result<Uuid> {
        let person = json!({
            "username": username,
            "email": format!("{username}@example.org"),
            "emailVerified": true,
            "firstName": "Test",
            "lastName": username,
            "enabled": true,
        });
        let answer = self.send(Method::POST, "users", &person).await?;
        let location = answer
            .headers()
            .get("location")
            .context("the answer names the person")?;
        let id = location
            .to_str()?
            .rsplit('/')
            .next()
            .context("the address ends with the id")?;
        Ok(id.parse()?)
    }

    /// Changes the fields of a person that `changes` names.
    pub(crate) async fn change_person(&self, id: Uuid, changes: &Value) -> Result<()> {
        let path = format!("users/{id}");
        let mut person = self.get(&path).await?;
        let fields = person.as_object_mut().context("a person is an object")?;
        fields.extend(
            changes
                .as_object()
                .context("changes are an object")?
                .clone(),
        );
        self.send(Method::PUT, &path, &person).await.map(drop)
    }

    /// Gives a person a realm role, as the REST interface does it.
    pub(crate) async fn give_role(&self, id: Uuid, role: &str) -> Result<()> {
        let role = self.get(&format!("roles/{role}")).await?;
        self.send(
            Method::POST,
            &format!("users/{id}/role-mappings/realm"),
            &json!([role]),
        )
        .await
        .map(drop)
    }

    /// Takes a realm role, as the console does it: on a path of its own.
    pub(crate) async fn take_role_in_console(&self, id: Uuid, role: &str) -> Result<()> {
        let found = self.get(&format!("roles/{role}")).await?;
        let body = json!([{"roleId": found["id"], "roleName": role}]);
        self.send(
            Method::POST,
            &format!("ui-ext/role-mapping-delete/users/{id}"),
            &body,
        )
        .await
        .map(drop)
    }

    /// Deletes a person.
    pub(crate) async fn delete_person(&self, id: Uuid) -> Result<()> {
        self.send(Method::DELETE, &format!("users/{id}"), &Value::Null)
            .await
            .map(drop)
    }

    /// The representation of a client by the name under which it logs in.
    pub(crate) async fn client(&self, client_id: &str) -> Result<Value> {
        let found = self.get(&format!("clients?clientId={client_id}")).await?;
        found
            .get(0)
            .cloned()
            .with_context(|| format!("the realm has a client {client_id}"))
    }

    /// The secret of a client.
    pub(crate) async fn secret(&self, client_id: &str) -> Result<String> {
        let client = self.client(client_id).await?;
        let secret = client["secret"].as_str();
        Ok(secret
            .with_context(|| format!("{client_id} has a secret"))?
            .to_owned())
    }

    /// A token of `client_id` with `scope`.
    pub(crate) async fn machine_token(&self, client_id: &str, scope: &str) -> Result<String> {
        let secret = self.secret(client_id).await?;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", secret.as_str()),
            ("scope", scope),
        ];
        let answer = request_token(&self.client, &self.server.url, &self.realm, &form).await?;
        let token = answer["access_token"].as_str();
        Ok(token
            .with_context(|| format!("no token for {client_id}: {answer}"))?
            .to_owned())
    }

    /// The claims of the token of `kind` that a person would get by logging in through a client.
    pub(crate) async fn example_claims(
        &self,
        client_id: &str,
        kind: &str,
        person: Uuid,
    ) -> Result<Value> {
        let client = self.client(client_id).await?;
        let id = client["id"].as_str().context("a client has an id")?;
        let path = format!(
            "clients/{id}/evaluate-scopes/generate-example-{kind}?scope=openid&userId={person}"
        );
        self.get(&path).await
    }
}

/// When Keycloak stamped an event of either store.
pub(crate) fn time_of(event: &Value) -> Result<DateTime<Utc>> {
    let millis = event["time"].as_i64();
    let millis = millis.with_context(|| format!("no event: {event}"))?;
    DateTime::from_timestamp_millis(millis).context("an instant")
}

/// The realm, exactly as its tokens name it.
pub(crate) fn issuer() -> String {
    let environment = environment();
    format!("{}/realms/{}", environment.keycloak_url, environment.realm)
}

/// The answer of the token endpoint to `form`, whatever its status.
async fn request_token(
    client: &Client,
    server: &str,
    realm: &str,
    form: &[(&str, &str)],
) -> Result<Value> {
    let url = format!("{server}/realms/{realm}/protocol/openid-connect/token");
    Ok(client.post(url).form(form).send().await?.json().await?)
}

/// What Keycloak answers when `client_id` asks for a token of its own with `scope`.
pub(crate) async fn ask_for_machine_token(client_id: &str, scope: &str) -> Result<Value> {
    let keycloak = Keycloak::log_in().await?;
    let secret = keycloak.secret(client_id).await?;
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", secret.as_str()),
    ];
    if !scope.is_empty() {
        form.push(("scope", scope));
    }
    request_token(
        &keycloak.client,
        &keycloak.server.url,
        &keycloak.realm,
        &form,
    )
    .await
}

/// A token of `client_id` with `scope`.
pub(crate) async fn machine_token(client_id: &str, scope: &str) -> Result<String> {
    let answer = ask_for_machine_token(client_id, scope).await?;
    let token = answer["access_token"]
        .as_str()
        .with_context(|| format!("no token for {client_id}: {answer}"))?;
    Ok(token.to_owned())
}

/// The claims of a token, unverified.
pub(crate) fn claims(token: &str) -> Result<Value> {
    let payload = token.split('.').nth(1).context("a token has three parts")?;
    Ok(serde_json::from_slice(
        &BASE64_URL_SAFE_NO_PAD.decode(payload)?,
    )?)
}

/// An access token that a demo person got for themselves, by logging in to the account console.
pub(crate) async fn person_token(username: &str) -> Result<String> {
    let environment = environment();
    let person = environment.person(username)?;
    let tokens = person::log_in(&environment.realm, person).await?;
    Ok(tokens.access)
}
