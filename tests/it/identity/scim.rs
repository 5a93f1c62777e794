//! Users and groups that another system keeps over SCIM, a preview of Keycloak's.
//!
//! The product's Keycloak is built without it, so this starts one of its own, and nothing else runs meanwhile
//! (`.config/nextest.toml`).

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, Utc};
use contracts::{
    Message,
    identity::{User, UserChanged, UserCreated, UserDeleted},
};
use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    own::{OwnBridge, QUICK},
    watched::roles_of_ours,
};
use crate::support::{http, keycloak::time_of, own_keycloak::OwnKeycloak, realm::TestRealm};

/// The system that keeps the users; also the name of its client.
const SYSTEM: &str = "personnel";

/// What it says of itself in a body.
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// It knows the interface and may use it.
struct System {
    url: String,
    token: String,
}

impl System {
    /// Gives it the right to keep the users of `realm`; its tokens must name the interface as their audience.
    async fn register(realm: &TestRealm) -> Result<Self> {
        let url = format!("{}/scim/v2", realm.url());
        let keycloak = realm.log_in().await?;
        let audience = json!({
            "name": "audience",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": {"included.custom.audience": url, "access.token.claim": "true"},
        });
        let client = json!({
            "clientId": SYSTEM,
            "serviceAccountsEnabled": true,
            "standardFlowEnabled": false,
            "protocolMappers": [audience],
        });
        keycloak.send(Method::POST, "clients", &client).await?;
        let id = |client: &Value| client["id"].as_str().map(str::to_owned).context("an id");
        let client = id(&keycloak.client(SYSTEM).await?)?;
        let account = format!("clients/{client}/service-account-user");
        let account = id(&keycloak.get(&account).await?)?;
        let rights = id(&keycloak.client("realm-management").await?)?;
        let right = keycloak
            .get(&format!("clients/{rights}/roles/manage-users"))
            .await?;
        let path = format!("users/{account}/role-mappings/clients/{rights}");
        keycloak.send(Method::POST, &path, &json!([right])).await?;
        let token = keycloak.machine_token(SYSTEM, "openid").await?;
        Ok(Self { url, token })
    }

    /// Sends one request, demands that it succeeds, and answers what came back.
    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}/{path}", self.url);
        let request = http::client()?.request(method, url);
        let request = request.header(CONTENT_TYPE, "application/scim+json");
        let request = request.bearer_auth(&self.token).body(body.to_string());
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Makes something and answers its id.
    async fn create(&self, path: &str, body: &Value) -> Result<Uuid> {
        let made = self.send(Method::POST, path, body).await?;
        Ok(made["id"].as_str().context("it has an id")?.parse()?)
    }

    async fn patch(&self, path: &str, operation: &Value) -> Result<()> {
        let body = json!({"schemas": [PATCH], "Operations": [operation]});
        self.send(Method::PATCH, path, &body).await.map(drop)
    }
}

/// Its realm, and what a bridge says of it.
struct Stage {
    realm: TestRealm,
    bridge: OwnBridge,
}

impl Stage {
    /// The next message about the person must be an `M` with the time of the newest event of this path.
    async fn told<M: Message>(&mut self, person: Uuid, path: &str) -> Result<Option<User>> {
        let message = self.bridge.next_about(person).await?.body::<M>()?;
        let at = self.newest(path).await?;
        ensure!(
            message.timestamp() == at,
            "{} is not {at}",
            message.timestamp()
        );
        self.bridge.user(person).await
    }

    async fn changed(&mut self, person: Uuid, path: &str) -> Result<User> {
        let user = self.told::<UserChanged>(person, path).await?;
        user.context("the person lives")
    }

    async fn newest(&self, path: &str) -> Result<DateTime<Utc>> {
        let path = format!("admin-events?resourcePath={path}&max=1");
        time_of(&self.realm.log_in().await?.get(&path).await?[0])
    }
}

fn description(last_name: &str) -> Value {
    json!({
        "schemas": [USER],
        "userName": "sam",
        "name": {"givenName": "Sam", "familyName": last_name},
        "emails": [{"value": "sam@example.org", "primary": true}],
        "active": true,
    })
}

#[tokio::test]
async fn what_a_system_does_to_users_over_scim_is_one_message_each_of_its_own_time() -> Result<()> {
    let keycloak = OwnKeycloak::start("scim-api").await?;
    let settings = json!({"scimApiEnabled": true});
    let realm = TestRealm::import_to(&keycloak.server, &settings).await?;
    let system = System::register(&realm).await?;
    // Before the bridge, or the comparison that this calls for could meet what is done next.
    let team = managers(&system, &realm).await?;
    let bridge = OwnBridge::open_at(&keycloak.server, &realm.name, QUICK).await?;
    let mut stage = Stage { realm, bridge };

    let person = system.create("Users", &description("Made")).await?;
    let path = format!("Users/{person}");
    let recorded = format!("scim/v2/{path}");
    let told = stage.told::<UserCreated>(person, &recorded).await?;
    let told = told.context("the person lives")?;
    assert_eq!(told.last_name, "Made");
    assert_eq!(roles_of_ours(&told), ["employee"]);

    let mut replaced = description("Replaced");
    replaced["id"] = json!(person);
    system.send(Method::PUT, &path, &replaced).await?;
    let told = stage.changed(person, &recorded).await?;
    assert_eq!(told.last_name, "Replaced");

    let leave = json!({"op": "replace", "path": "active", "value": false});
    system.patch(&path, &leave).await?;
    assert!(!stage.changed(person, &recorded).await?.enabled);

    joins_and_leaves(&mut stage, &system, person, team).await?;

    system.send(Method::DELETE, &path, &Value::Null).await?;
    let told = stage.told::<UserDeleted>(person, &recorded).await?;
    assert!(told.is_none());
    assert_eq!(stage.bridge.rest().await?.len(), 0, "one message each");
    stage.bridge.remove().await
}

/// Makes a group whose members are managers.
async fn managers(system: &System, realm: &TestRealm) -> Result<Uuid> {
    let team = json!({"schemas": [GROUP], "displayName": "team"});
    let group = system.create("Groups", &team).await?;
    let keycloak = realm.log_in().await?;
    let manager = keycloak.get("roles/manager").await?;
    let mappings = format!("groups/{group}/role-mappings/realm");
    keycloak
        .send(Method::POST, &mappings, &json!([manager]))
        .await?;
    Ok(group)
}

/// A patch of a group names no user: everybody is compared.
async fn joins_and_leaves(
    stage: &mut Stage,
    system: &System,
    person: Uuid,
    group: Uuid,
) -> Result<()> {
    let path = format!("Groups/{group}");
    let recorded = format!("scim/v2/{path}");

    let join = json!({"op": "add", "path": "members", "value": [{"value": person}]});
    system.patch(&path, &join).await?;
    let told = stage.changed(person, &recorded).await?;
    assert_eq!(roles_of_ours(&told), ["employee", "manager"]);

    let leave = json!({"op": "remove", "path": format!("members[value eq \"{person}\"]")});
    system.patch(&path, &leave).await?;
    let told = stage.changed(person, &recorded).await?;
    assert_eq!(roles_of_ours(&told), ["employee"]);
    Ok(())
}
