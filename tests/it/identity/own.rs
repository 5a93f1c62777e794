//! A bridge of a test's own: its database, its virtual host, and any realm to watch.

use std::{
    collections::VecDeque, fs, io::Write as _, net::TcpListener, path::Path, process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use auth_bridge::{AuthBridge, Config};
use contracts::{
    identity::User,
    operations::{BridgeState, Reconcile},
    topology::{Publisher, TASKS_AUTH},
};
use migrations::Database;
use platform::{cli::Program as _, lifecycle::Lifecycle};
use reqwest::{Response, StatusCode};
use serde::Serialize;
use tempfile::NamedTempFile;
use tokio::process::{Child, Command};
use url::Url;
use uuid::Uuid;

use crate::support::{
    broker::TestBroker,
    builders::id,
    database::TestDatabase,
    environment::environment,
    http,
    keycloak::{Keycloak, Server},
    listener::Heard,
    proxy::{Protocol, Proxy},
    waiting::eventually,
};

/// Looks often and not far back, so that a test need not wait for what takes minutes in the product.
pub(super) const QUICK: &str = "
    poll_ms = 100
    overlap_seconds = 1
    deep_poll_seconds = 1
    deep_overlap_seconds = 120
    reconcile_delay_seconds = 0
";

/// A bridge that watches one realm.
pub(super) struct OwnBridge {
    pub(super) database: TestDatabase,
    pub(super) settings: NamedTempFile,
    pub(super) broker: TestBroker,
    api: Url,
    token: String,
    running: Option<Lifecycle>,
    /// Taken out of the queue and not asked for yet.
    heard: VecDeque<Heard>,
}

impl OwnBridge {
    /// Prepares a bridge for `realm` with these settings of its section `[sync]`; it does not run yet.
    pub(super) async fn prepare(realm: &str, sync: &str) -> Result<Self> {
        Self::prepare_at(&Server::shared(), realm, sync).await
    }

    /// The same for a realm of any server.
    async fn prepare_at(server: &Server, realm: &str, sync: &str) -> Result<Self> {
        let database = TestDatabase::create(Database::Auth).await?;
        let broker = TestBroker::create().await?;
        let keycloak = Keycloak::log_in_to(server, realm).await?;
        let scope = "users:read operations:manage";
        let token = keycloak.machine_token("tasks-m2m", scope).await?;
        let client = keycloak.client("auth-bridge").await?;
        let secret = client["secret"]
            .as_str()
            .context("the bridge has a secret")?;
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut settings = NamedTempFile::new()?;
        write!(
            settings,
            r#"
            [api]
            listen = "{address}"
            [database]
            url = "{database}"
            [broker]
            url = "{broker}"
            [identity]
            issuer = "{keycloak}/realms/{realm}"
            machine_client_secret = "{secret}"
            [keycloak]
            url = "{keycloak}"
            realm = "{realm}"
            [sync]
            {sync}
            "#,
            database = database.application_url(),
            broker = broker.url(Publisher::Auth),
            keycloak = server.url,
        )?;
        Ok(Self {
            database,
            settings,
            broker,
            api: format!("http://{address}").parse()?,
            token,
            running: None,
            heard: VecDeque::new(),
        })
    }

    /// Prepares one whose links to its database, to its broker and to Keycloak go through proxies.
    pub(super) async fn prepare_behind_proxies(
        realm: &str,
        sync: &str,
    ) -> Result<(Self, Vec<Proxy>)> {
        let bridge = Self::prepare(realm, sync).await?;
        let mut settings = fs::read_to_string(bridge.settings.path())?;
        let mut proxies = Vec::new();
        for (url, protocol) in [
            (bridge.database.application_url(), Protocol::Postgres),
            (bridge.broker.url(Publisher::Auth), Protocol::Amqp),
            (Server::shared().url, Protocol::Http),
        ] {
            let (through, proxy) = Proxy::before(&url, protocol).await?;
            settings = settings.replace(&format!("url = {url:?}"), &format!("url = {through:?}"));
            proxies.push(proxy);
        }
        fs::write(bridge.settings.path(), settings)?;
        Ok((bridge, proxies))
    }

    /// Prepares a bridge and runs it until it has compared everything once.
    pub(super) async fn open(realm: &str, sync: &str) -> Result<Self> {
        Self::open_at(&Server::shared(), realm, sync).await
    }

    /// The same for a realm of any server.
    pub(super) async fn open_at(server: &Server, realm: &str, sync: &str) -> Result<Self> {
        let mut bridge = Self::prepare_at(server, realm, sync).await?;
        bridge.start().await?;
        bridge
            .state_when("it has compared everything", |state| {
                state.compared_at.is_some()
            })
            .await?;
        Ok(bridge)
    }

    /// Runs it in this process.
    pub(super) async fn start(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "it runs already");
        let path = Some(self.settings.path());
        let config: Config =
            platform::config::load(AuthBridge::DEFAULTS, "NOT_SET_BY_ANYBODY_", path)?;
        let lifecycle = Lifecycle::new();
        AuthBridge::serve(config, lifecycle.clone()).await?;
        self.running = Some(lifecycle);
        Ok(())
    }

    /// Runs it as a process of its own, which is killed when it is dropped.
    pub(super) fn spawn(&self) -> Result<Child> {
        self.spawn_logging_to(Stdio::inherit())
    }

    /// The same, with its log in a place of the test's own.
    pub(super) fn spawn_logging_to(&self, log: Stdio) -> Result<Child> {
        let child = Command::new(program()?)
            .env_clear()
            .arg("--config")
            .arg(self.settings.path())
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        Ok(child)
    }

    /// Stops it in good order.
    pub(super) async fn stop(&mut self) -> Result<()> {
        let lifecycle = self.running.take().context("it runs")?;
        lifecycle.stop_and_wait().await;
        Ok(())
    }

    pub(super) async fn get(&self, path: &str) -> Result<Response> {
        let request = http::client()?.get(self.api.join(path)?);
        Ok(request.bearer_auth(&self.token).send().await?)
    }

    pub(super) async fn post(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<Response> {
        let request = http::client()?.post(self.api.join(path)?);
        Ok(request.bearer_auth(&self.token).json(body).send().await?)
    }

    /// The user as it answers; none when it says that there is nobody.
    pub(super) async fn user(&self, person: Uuid) -> Result<Option<User>> {
        let answer = self.get(&format!("/users/{person}")).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(answer.error_for_status()?.json().await?))
    }

    /// Whether it is ready to answer.
    pub(super) async fn is_up(&self) -> Result<bool> {
        let ready = http::client()?
            .get(self.api.join("/health/ready")?)
            .send()
            .await;
        Ok(ready.is_ok_and(|answer| answer.status() == StatusCode::OK))
    }

    /// What it tells the operations page.
    pub(super) async fn state(&self) -> Result<BridgeState> {
        self.state_when("it answers", |_| true).await
    }

    /// Waits until what it tells is as `expected`.
    pub(super) async fn state_when(
        &self,
        what: &str,
        expected: impl Fn(&BridgeState) -> bool + Send + Sync,
    ) -> Result<BridgeState> {
        let expected = &expected;
        eventually(what, || async move {
            let answer = self.get("/operations").await?;
            // Right after its start it may not know yet whose tokens are good.
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                return Ok(None);
            }
            let state: BridgeState = answer.error_for_status()?.json().await?;
            Ok(Some(state).filter(expected))
        })
        .await
    }

    /// Has everything compared now, and waits for the end.
    pub(super) async fn compare(&self) -> Result<BridgeState> {
        let before = self.state().await?.compared_at;
        let wish = Reconcile { asked_by: id() };
        let answer = self.post("/operations/reconcile", &wish).await?;
        ensure!(
            answer.status() == StatusCode::NO_CONTENT,
            "{}",
            answer.status()
        );
        self.state_when("another comparison has ended", |state| {
            state.compared_at > before
        })
        .await
    }

    /// The next message about `person`.
    pub(super) async fn next_about(&mut self, person: Uuid) -> Result<Heard> {
        let person = person.to_string();
        let known = self.heard.iter().position(|heard| heard.is_about(&person));
        if let Some(known) = known {
            return self.heard.remove(known).context("it was just there");
        }
        let (found, others) = self.take_until(&person).await?;
        self.heard.extend(others);
        Ok(found)
    }

    async fn take_until(&self, person: &str) -> Result<(Heard, Vec<Heard>)> {
        let what = format!("a message about {person}");
        let mut others = Vec::new();
        loop {
            let taken = eventually(&what, || self.broker.take(TASKS_AUTH.name)).await?;
            let heard = Heard::from(taken);
            if heard.is_about(person) {
                return Ok((heard, others));
            }
            others.push(heard);
        }
    }

    /// Everything that was published and not asked for yet.
    pub(super) async fn rest(&mut self) -> Result<Vec<Heard>> {
        while let Some(message) = self.broker.take(TASKS_AUTH.name).await? {
            self.heard.push_back(message.into());
        }
        Ok(self.heard.drain(..).collect())
    }

    /// Stops everything and takes it away.
    pub(super) async fn remove(mut self) -> Result<()> {
        if self.running.is_some() {
            self.stop().await?;
        }
        self.broker.remove().await?;
        self.database.remove().await
    }
}

/// The built bridge.
fn program() -> Result<&'static Path> {
    let service = environment().services.get("auth-bridge");
    Ok(&service.context("the bridge is not built")?.program)
}
