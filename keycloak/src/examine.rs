//! What `doctor` checks: everything the bridge needs, each with one sentence when it is wrong.

use std::time::Duration;

use contracts::topology::Publisher;
use migrations::Database;
use platform::{
    auth::Issuer,
    db,
    doctor::Report,
    errors,
    rabbit::{self, Broker},
    sources::Sources,
};

use tokio::time::timeout;

use crate::{admin::AdminClient, admin::Keycloak, config::Config, store::state, sync::check};

/// How long the broker may take: its connections are patient and would wait for it for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// A fault in words, with its causes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Fault(String);

impl Fault {
    fn of(error: impl std::error::Error) -> Self {
        Self(errors::explain(&error))
    }
}

/// Checks database, broker and Keycloak, and goes on after each fault.
pub(crate) async fn everything(config: &Config) -> Report {
    let sources = Sources::system();
    let mut report = Report::new();
    report.add("database", database(config).await);
    report.add("migrations", migrations(config).await);
    report.add("broker", broker(config, &sources).await);
    match client(config, &sources) {
        Err(fault) => report.add("settings of Keycloak", Err(fault)),
        Ok(keycloak) => {
            let rights = check::rights(&keycloak, sources.now()).await;
            let may_see_settings = rights.is_ok();
            report.add("rights in Keycloak", rights);
            if may_see_settings {
                report.add("events in Keycloak", recording(&keycloak).await);
            }
        }
    }
    report
}

async fn database(config: &Config) -> Result<(), Fault> {
    let db = db::connect(&config.database).await.map_err(Fault::of)?;
    state::load(&db).await.map(drop).map_err(Fault::of)
}

/// Only the owner can see which migrations ran.
async fn migrations(config: &Config) -> Result<(), Fault> {
    let Some(url) = &config.database.migration_url else {
        return Ok(());
    };
    let pending = Database::Auth
        .pending(url.expose())
        .await
        .map_err(Fault::of)?;
    if pending.is_empty() {
        return Ok(());
    }
    Err(Fault(format!(
        "{} did not run: use `migrate`",
        pending.len()
    )))
}

async fn broker(config: &Config, sources: &Sources) -> Result<(), Fault> {
    let broker = Broker::try_new(&config.broker, Publisher::Auth, sources).map_err(Fault::of)?;
    let missing = timeout(PATIENCE, rabbit::missing(&broker))
        .await
        .map_err(|_elapsed| Fault("it does not answer".to_owned()))?
        .map_err(Fault::of)?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(Fault(missing.join("; ")))
}

fn client(config: &Config, sources: &Sources) -> Result<AdminClient, Fault> {
    let issuer = Issuer::try_new(&config.identity, sources).map_err(Fault::of)?;
    AdminClient::try_new(&config.keycloak, &config.identity, issuer, sources.clone())
        .map_err(Fault::of)
}

async fn recording(keycloak: &AdminClient) -> Result<(), Fault> {
    let settings = keycloak.settings().await.map_err(Fault::of)?;
    check::recording(&settings).map_err(Fault::of)
}
