//! The bridge as its command line sees it: what `serve` starts and what `migrate` sets up.

use std::time::Duration;

use anyhow::Context;
use contracts::topology::Publisher;
use migrations::Database;
use platform::{
    auth::{Issuer, MachineAuth},
    cli::Program,
    db,
    doctor::Report,
    http::{self, ListenConfig},
    leader::Candidate,
    lifecycle::Lifecycle,
    monitor::Monitor,
    outbox::OutboxSignal,
    prune,
    rabbit::{self, Broker},
    relay,
    sources::Sources,
    telemetry::LogConfig,
};
use sea_orm::DatabaseConnection;

use crate::{
    admin::AdminClient,
    api::{self, ApiState},
    config::{Config, DEFAULTS},
    examine, monitor,
    sync::Syncer,
};

/// The work of which one replica at a time does its share.
const SYNC: &str = "auth-bridge sync";

/// The auth bridge.
#[derive(Debug, Clone, Copy)]
pub struct AuthBridge;

impl Program for AuthBridge {
    type Config = Config;

    const DEFAULTS: &'static str = DEFAULTS;
    const ENVIRONMENT_PREFIX: &'static str = "AUTH_";

    fn log(config: &Config) -> &LogConfig {
        &config.log
    }

    async fn serve(config: Config, lifecycle: Lifecycle) -> anyhow::Result<()> {
        let parts = Parts::init(config, lifecycle).await?;
        parts.issuer.spawn_refresh(&parts.lifecycle);
        let broker = Broker::try_new(&parts.config.broker, Publisher::Auth, &parts.sources)?;
        let outbox = parts.spawn_relay(&broker)?;
        parts.spawn_housekeeping(broker);
        parts.spawn_sync(outbox)?;
        parts.serve_api().await
    }

    async fn migrate(config: Config) -> anyhow::Result<()> {
        Database::Auth.migrate(config.database.owner_url()?).await?;
        rabbit::declare(&config.broker).await?;
        Ok(())
    }

    async fn doctor(config: Config) -> Report {
        examine::everything(&config).await
    }
}

/// What the parts of a running bridge share. Nothing is connected yet: the bridge starts and stays up
/// while Keycloak, the broker or the database are away.
struct Parts {
    config: Config,
    lifecycle: Lifecycle,
    sources: Sources,
    db: DatabaseConnection,
    issuer: Issuer,
}

impl Parts {
    async fn init(config: Config, lifecycle: Lifecycle) -> anyhow::Result<Self> {
        let sources = Sources::system();
        let db = db::connect(&config.database).await?;
        let issuer = Issuer::try_remembering(&config.identity, &sources, db.clone())?;
        Ok(Self {
            config,
            lifecycle,
            sources,
            db,
            issuer,
        })
    }

    fn spawn_relay(&self, broker: &Broker) -> anyhow::Result<OutboxSignal> {
        let outbox = OutboxSignal::new();
        rabbit::spawn_check(&self.lifecycle, broker);
        relay::spawn(
            &self.lifecycle,
            &self.config.database,
            broker,
            &self.sources,
            outbox.clone(),
            Duration::ZERO,
        )?;
        Ok(outbox)
    }

    fn spawn_housekeeping(&self, broker: Broker) {
        let (lifecycle, db, sources) = (&self.lifecycle, &self.db, &self.sources);
        let monitor = Monitor {
            db: db.clone(),
            broker,
            sources: sources.clone(),
            kinds: &[],
        };
        platform::monitor::spawn(lifecycle, monitor);
        prune::spawn(lifecycle, db.clone(), sources.clone());
        monitor::spawn(lifecycle, db.clone(), sources.clone());
    }

    fn spawn_sync(&self, outbox: OutboxSignal) -> anyhow::Result<()> {
        let keycloak = AdminClient::try_new(
            &self.config.keycloak,
            &self.config.identity,
            self.issuer.clone(),
            self.sources.clone(),
        )?;
        let candidate = Candidate::try_new(&self.config.database.url, SYNC)?;
        let syncer = Syncer::new(
            keycloak,
            self.db.clone(),
            self.sources.clone(),
            outbox,
            self.config.sync.clone(),
        );
        let stopping = self.lifecycle.stopping();
        self.lifecycle.spawn("sync", async move {
            candidate
                .lead(&stopping, |leading| syncer.lead(leading))
                .await;
        });
        Ok(())
    }

    async fn serve_api(self) -> anyhow::Result<()> {
        let config = &self.config.api;
        let auth = MachineAuth::new(
            self.issuer,
            &self.config.identity,
            self.sources.clone(),
            config.per_caller_per_second,
        );
        auth.spawn_housekeeping(&self.lifecycle);
        let routes = api::router(ApiState {
            db: self.db,
            auth,
            sources: self.sources,
        });
        let listen = ListenConfig {
            listen: config.listen,
        };
        let listener = http::bind(&listen)
            .await
            .with_context(|| format!("the address {} cannot be used", listen.listen))?;
        let served = http::serve(&self.lifecycle, "api", listener, routes)?;
        tracing::info!(address = %served.address, "answering for users");
        Ok(())
    }
}
