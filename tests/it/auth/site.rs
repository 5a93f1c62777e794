//! A small service with pages for people, as a client of its own in the realm.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::{
    Json,
    extract::FromRef,
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use contracts::identity::Role;
use migrations::Database;
use platform::{
    auth::{
        self, Allowed, IdentityConfig, Issuer, LoginConfig, Permission, Principal, ProtectedForm,
        SessionConfig, WebAuth, WebAuthDeps,
    },
    config::Secret,
    http,
    lifecycle::Lifecycle,
    routes::Routes,
    sources::{ManualClock, Sources},
    ui,
};
use reqwest::Method;
use sea_orm::DatabaseConnection;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::support::{
    builders,
    database::TestDatabase,
    environment::Login,
    keycloak::{self, Keycloak},
};

/// Meets the realm's password policy.
const PASSWORD: &str = "correct horse battery";

/// A service that listens, and the person who visits it.
pub(super) struct Site {
    pub(super) origin: String,
    pub(super) clock: ManualClock,
    pub(super) keycloak: Keycloak,
    pub(super) database: TestDatabase,
    pub(super) db: DatabaseConnection,
    pub(super) visitor: Visitor,
    client: Uuid,
    pub(super) client_id: String,
    lifecycle: Lifecycle,
}

/// A person whom only one test knows.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) id: Uuid,
    pub(super) login: Login,
}

/// Whether Keycloak tells the service when somebody logs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backchannel {
    On,
    Off,
}

struct Earnings;

impl Permission for Earnings {
    const ALLOWED: &'static [Role] = &[Role::Manager, Role::Administrator];
}

#[derive(Clone)]
struct AppState {
    web: WebAuth,
}

impl FromRef<AppState> for WebAuth {
    fn from_ref(state: &AppState) -> Self {
        state.web.clone()
    }
}

#[derive(Deserialize)]
struct Words {
    say: Option<String>,
}

async fn who(principal: Principal) -> Json<Value> {
    Json(json!({
        "user_id": principal.user_id(),
        "name": principal.as_person().name,
        "email": principal.email(),
        "roles": principal.roles(),
        "csrf": principal.csrf().to_string(),
    }))
}

fn pages(web: WebAuth) -> Routes {
    let pages = Routes::new()
        .route("/", get(who))
        .route("/who", get(who))
        .route(
            "/earnings",
            get(|_allowed: Allowed<Earnings>| async { "plenty" }),
        )
        .route(
            "/say",
            post(
                |_who: Principal, ProtectedForm(words): ProtectedForm<Words>| async move {
                    words.say.unwrap_or_default()
                },
            ),
        )
        .with_state(AppState { web: web.clone() });
    Routes::new().nest("/tasks", pages.merge(auth::web::router(web)))
}

impl Site {
    pub(super) async fn open(backchannel: Backchannel) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let keycloak = Keycloak::log_in().await?;
        let client_id = format!("it-{}", builders::id().simple());
        let client = create_client(&keycloak, &client_id, &origin, backchannel).await?;
        let visitor = create_visitor(&keycloak).await?;
        let database = TestDatabase::create(Database::Tasks).await?;
        let db = database.connect().await?;
        let site = Self {
            clock: ManualClock::new(builders::now()),
            lifecycle: Lifecycle::new(),
            origin,
            keycloak,
            database,
            db,
            visitor,
            client,
            client_id,
        };
        let web = site.web_auth(&keycloak::issuer())?;
        http::serve(&site.lifecycle, "site", listener, pages(web))?;
        Ok(site)
    }

    /// The same service again, on another address and with another issuer: sessions are shared.
    pub(super) async fn replica(&self, issuer: &str) -> Result<String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        http::serve(
            &self.lifecycle,
            "replica",
            listener,
            pages(self.web_auth(issuer)?),
        )?;
        Ok(origin)
    }

    fn web_auth(&self, issuer: &str) -> Result<WebAuth> {
        let sources = Sources::system().with_clock(Arc::new(self.clock.clone()));
        let identity = IdentityConfig {
            issuer: issuer.to_owned(),
            audience: "tasks".to_owned(),
            machine_client_id: self.client_id.clone(),
            machine_client_secret: Secret::new("secret"),
        };
        Ok(WebAuth::try_new(WebAuthDeps {
            site: ui::Site {
                base: "/tasks",
                time_zone: "Europe/Berlin".parse()?,
                profile_url: None,
            },
            origin: &self.origin.parse()?,
            issuer: Issuer::try_new(&identity, &sources)?,
            login: &LoginConfig {
                web_client_id: self.client_id.clone(),
                web_client_secret: Secret::new("secret"),
            },
            session: &SessionConfig {
                idle_minutes: 30,
                absolute_hours: 10,
                key: Secret::new(BASE64_STANDARD.encode([7; 32])),
            },
            db: self.db.clone(),
            sources,
            lifecycle: self.lifecycle.clone(),
        })?)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Lets the user cache know the visitor.
    pub(super) async fn cache_visitor(&self, roles: &[&str], is_enabled: bool) -> Result<()> {
        let roles: Vec<_> = roles.iter().map(|role| (*role).to_owned()).collect();
        sqlx::query(
            "INSERT INTO user_cache (user_id, username, email, first_name, last_name, roles, \
             is_enabled, guard, fetched_at) VALUES ($1, $2, NULL, 'Cached', 'Visitor', $3, $4, now(), now()) \
             ON CONFLICT (user_id) DO UPDATE SET roles = excluded.roles, is_enabled = excluded.is_enabled",
        )
        .bind(self.visitor.id)
        .bind(&self.visitor.login.username)
        .bind(roles)
        .bind(is_enabled)
        .execute(&self.database.owned)
        .await?;
        Ok(())
    }

    pub(super) async fn sessions(&self) -> Result<i64> {
        self.database.count("session", "true").await
    }

    /// Stops everything and takes away what the test created.
    pub(super) async fn close(self) -> Result<()> {
        self.lifecycle.stop_and_wait().await;
        self.db.close().await?;
        self.keycloak.delete_person(self.visitor.id).await?;
        let client = format!("clients/{}", self.client);
        self.keycloak
            .send(Method::DELETE, &client, &Value::Null)
            .await?;
        self.database.remove().await
    }
}

pub(super) async fn create_visitor(keycloak: &Keycloak) -> Result<Visitor> {
    let username = format!("visitor-{}", builders::id().simple());
    let id = keycloak.create_person(&username).await?;
    let password = json!({ "type": "password", "value": PASSWORD, "temporary": false });
    let path = format!("users/{id}/reset-password");
    keycloak.send(Method::PUT, &path, &password).await?;
    Ok(Visitor {
        id,
        login: Login {
            username,
            password: PASSWORD.to_owned(),
        },
    })
}

/// A client like `tasks-web` for the service at `origin`.
async fn create_client(
    keycloak: &Keycloak,
    client_id: &str,
    origin: &str,
    backchannel: Backchannel,
) -> Result<Uuid> {
    let mut client = keycloak.client("tasks-web").await?;
    let fields = client.as_object_mut().context("a client is an object")?;
    fields.remove("id");
    client["clientId"] = json!(client_id);
    client["secret"] = json!("secret");
    client["baseUrl"] = json!(format!("{origin}/tasks"));
    client["redirectUris"] = json!([format!("{origin}/tasks/callback")]);
    client["attributes"]["post.logout.redirect.uris"] = json!(format!("{origin}/tasks"));
    client["attributes"]["backchannel.logout.url"] = match backchannel {
        Backchannel::On => json!(format!("{origin}/tasks/backchannel-logout")),
        Backchannel::Off => json!(""),
    };
    client["fullScopeAllowed"] = json!(true);
    for mapper in client["protocolMappers"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        mapper
            .as_object_mut()
            .context("a mapper is an object")?
            .remove("id");
    }
    keycloak.send(Method::POST, "clients", &client).await?;
    let created = keycloak.client(client_id).await?;
    let id = created["id"].as_str().context("a client has an id")?;
    Ok(id.parse()?)
}
