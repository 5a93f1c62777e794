//! A person of one test, watched through what the running bridge says and answers.

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, Utc};
use contracts::{
    Message,
    identity::{User, UserChanged, UserCreated, UserDeleted},
    topology::Publisher,
};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{
    builders::{self, id},
    environment::environment,
    http,
    keycloak::{Keycloak, machine_token, time_of},
    listener::Listener,
    waiting::until,
};

/// The event by which Keycloak tells of a change.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told<'a> {
    /// An admin event with this path.
    Admin(&'a str),
    /// A user event of this kind.
    User(&'a str),
    /// An admin event with this path, which names no user.
    Indirectly(&'a str),
}

/// A person, and everything that is published about them.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) keycloak: Keycloak,
    pub(super) person: Uuid,
    pub(super) username: String,
    heard: Listener,
    newest: DateTime<Utc>,
}

/// A user name that no other test uses.
pub(super) fn username() -> String {
    format!("it-{}", id().simple())
}

/// What the running bridge answers to somebody with `token`.
pub(super) async fn ask(path: &str, token: &str) -> Result<Response> {
    let url = environment().auth_api_url.join(path)?;
    Ok(http::client()?.get(url).bearer_auth(token).send().await?)
}

impl Watched {
    /// Creates a person over REST.
    pub(super) async fn create() -> Result<Self> {
        let username = username();
        let body = json!({
            "username": username,
            "email": format!("{username}@example.org"),
            "firstName": "Test",
            "lastName": username,
            "enabled": true,
        });
        Self::create_as(&username, &body).await
    }

    /// Creates the person that `body` describes, as console and REST both do.
    pub(super) async fn create_as(username: &str, body: &Value) -> Result<Self> {
        let heard = Listener::of(Publisher::Auth).await?;
        let keycloak = Keycloak::log_in().await?;
        keycloak.send(Method::POST, "users", body).await?;
        let person = find(&keycloak, username).await?;
        Self::begin(
            heard,
            username,
            person,
            Told::Admin(&format!("users/{person}")),
        )
        .await
    }

    /// Watches somebody whose creation `heard` hears of.
    pub(super) async fn begin(
        heard: Listener,
        username: &str,
        person: Uuid,
        told: Told<'_>,
    ) -> Result<Self> {
        let mut watched = Self {
            keycloak: Keycloak::log_in().await?,
            person,
            username: username.to_owned(),
            heard,
            newest: DateTime::UNIX_EPOCH,
        };
        watched
            .hear::<UserCreated>(told, |body| body.timestamp)
            .await?;
        Ok(watched)
    }

    /// The path of something of the person below the realm.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("users/{}{rest}", self.person)
    }

    /// Sends one call as the administrator and demands that it succeeds.
    pub(super) async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Response> {
        self.keycloak.send(method, path, body).await
    }

    /// Waits until the running bridge has acted upon the newest such event, so that what is done next is
    /// not read together with it.
    pub(super) async fn seen(&self, told: Told<'_>) -> Result<()> {
        let event = self.event(told).await?;
        let bridge = PgPool::connect(environment().databases["auth"].as_str()).await?;
        until(&format!("the bridge has read {told:?}"), || async {
            let seen = "SELECT EXISTS (SELECT FROM seen_event WHERE event_id = $1)";
            let seen = sqlx::query_scalar(seen).bind(event["id"].as_str());
            Ok(seen.fetch_one(&bridge).await?)
        })
        .await
    }

    /// Waits for the message that the person changed, and answers how the bridge shows them then.
    pub(super) async fn changed(&mut self, told: Told<'_>) -> Result<User> {
        self.hear::<UserChanged>(told, |body| body.timestamp)
            .await?;
        let token = machine_token("tasks-m2m", "users:read").await?;
        let answer = ask(&format!("/{}", self.path("")), &token).await?;
        let user: User = answer.error_for_status()?.json().await?;
        ensure!(user.changed_at == self.newest, "{user:?}");
        Ok(user)
    }

    /// Deletes the person. That the next message tells of it shows that nothing else was said meanwhile.
    pub(super) async fn delete(self) -> Result<()> {
        self.keycloak.delete_person(self.person).await?;
        let path = self.path("");
        self.gone(Told::Admin(&path)).await
    }

    /// Waits for the message that the person is gone.
    pub(super) async fn gone(mut self, told: Told<'_>) -> Result<()> {
        self.hear::<UserDeleted>(told, |body| body.timestamp)
            .await?;
        let token = machine_token("tasks-m2m", "users:read").await?;
        let answer = ask(&format!("/{}", self.path("")), &token).await?;
        ensure!(answer.status() == StatusCode::NOT_FOUND);
        Ok(())
    }

    /// The next message about the person must be an `M`, bear the time of the event, and be the newest.
    async fn hear<M: Message>(
        &mut self,
        told: Told<'_>,
        timestamp: fn(&M) -> DateTime<Utc>,
    ) -> Result<()> {
        let at = timestamp(&self.heard.next_about(self.person).await?.body::<M>()?);
        ensure!(at > self.newest, "{at} is not after {}", self.newest);
        self.newest = at;
        // The token of before may have expired while this waited.
        self.keycloak = Keycloak::log_in().await?;
        self.check_time(told, at).await
    }

    async fn check_time(&self, told: Told<'_>, at: DateTime<Utc>) -> Result<()> {
        let event = self.event_time(told).await?;
        match told {
            Told::Admin(_) | Told::User(_) => ensure!(at == event, "{at} is not {event}"),
            // Another test's event may have called for the same comparison a moment later.
            Told::Indirectly(_) => ensure!(at >= event && at <= builders::now(), "{at}: {event}"),
        }
        Ok(())
    }

    /// The time of the newest event of that kind.
    async fn event_time(&self, told: Told<'_>) -> Result<DateTime<Utc>> {
        let event = self.event(told).await?;
        time_of(&event).with_context(|| format!("of {told:?}"))
    }

    /// The newest event of that kind; null when there is none.
    async fn event(&self, told: Told<'_>) -> Result<Value> {
        let path = match told {
            Told::Admin(path) | Told::Indirectly(path) => {
                format!("admin-events?resourcePath={path}&max=1")
            }
            Told::User(kind) => format!("events?user={}&type={kind}&max=1", self.person),
        };
        Ok(self.keycloak.get(&path).await?[0].take())
    }
}

/// The id of the person who logs in as `username`.
pub(super) async fn find(keycloak: &Keycloak, username: &str) -> Result<Uuid> {
    let found = keycloak
        .get(&format!("users?username={username}&exact=true"))
        .await?;
    let id = found[0]["id"].as_str();
    Ok(id
        .with_context(|| format!("there is no {username}"))?
        .parse()?)
}

/// The roles that mean something to the services.
pub(super) fn roles_of_ours(user: &User) -> Vec<&str> {
    let names = user.roles.iter().map(String::as_str);
    names
        .filter(|name| contracts::identity::Role::from_name(name).is_some())
        .collect()
}
