//! What `doctor` looks at: settings, database, migrations, broker, identity provider, auth bridge.

use std::time::Duration;

use contracts::{identity::UsersPage, topology::Publisher};
use migrations::{Database, MigrationError};
use platform::{
    auth::{Issuer, IssuerError, MachineToken, TokenUnavailable},
    db,
    doctor::Report,
    peer::{PeerClient, PeerError},
    rabbit::{self, Broker, BrokerConfigError, LinkError},
    sources::Sources,
};
use thiserror::Error;
use tokio::time::timeout;

use crate::{app::performers::Performers, config::Config, store::StoreError};

/// Long enough for a server that is there.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Error)]
enum DatabaseFault {
    #[error("its tables cannot be read")]
    Unreadable(#[from] StoreError),
}

#[derive(Debug, Error)]
enum MigrationFault {
    #[error("nobody can tell")]
    Unknown(#[from] MigrationError),
    #[error("{0} of them did not run yet; `migrate` runs them")]
    Pending(usize),
}

#[derive(Debug, Error)]
enum BrokerFault {
    #[error("its settings cannot be used")]
    Config(#[from] BrokerConfigError),
    #[error("it does not answer")]
    Silent,
    #[error("it cannot be asked")]
    Link(#[from] LinkError),
    #[error("{0}; `migrate` declares what is missing")]
    Incomplete(String),
}

#[derive(Debug, Error)]
enum IssuerFault {
    #[error("its settings cannot be used")]
    Config(#[from] IssuerError),
    #[error("it gives this service no token")]
    NoToken(#[from] TokenUnavailable),
}

#[derive(Debug, Error)]
enum BridgeFault {
    #[error("its settings cannot be used")]
    Config(#[from] IssuerError),
    #[error("no client can be made for it")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("it does not answer as it should")]
    Call(#[from] PeerError),
}

/// Looks at everything the service needs.
pub async fn examine(config: &Config) -> Report {
    let mut report = Report::new();
    let sources = Sources::system();
    report.add("time zone", config.calendar.zone().map(drop));
    report.add("database", database(config).await);
    report.add("migrations", migrations(config).await);
    report.add("broker", broker(config, &sources).await);
    report.add("identity provider", issuer(config, &sources).await);
    report.add("auth bridge", bridge(config, &sources).await);
    report
}

/// Reads what a draw needs, with the rights of the service.
async fn database(config: &Config) -> Result<(), DatabaseFault> {
    let db = db::connect(&config.database)
        .await
        .map_err(StoreError::from)?;
    let rule = config.assignment.clone().into();
    Ok(Performers::default().refresh(&db, &rule).await?)
}

async fn migrations(config: &Config) -> Result<(), MigrationFault> {
    match Database::Tasks
        .pending(config.database.url.expose())
        .await?
        .len()
    {
        0 => Ok(()),
        pending => Err(MigrationFault::Pending(pending)),
    }
}

async fn broker(config: &Config, sources: &Sources) -> Result<(), BrokerFault> {
    let broker = Broker::try_new(&config.broker, Publisher::Tasks, sources)?;
    let missing = timeout(PATIENCE, rabbit::missing(&broker)).await;
    let missing = missing.map_err(|_elapsed| BrokerFault::Silent)??;
    if missing.is_empty() {
        return Ok(());
    }
    Err(BrokerFault::Incomplete(missing.join("; ")))
}

async fn issuer(config: &Config, sources: &Sources) -> Result<(), IssuerFault> {
    token(config, sources)?.current().await?;
    Ok(())
}

async fn bridge(config: &Config, sources: &Sources) -> Result<(), BridgeFault> {
    let token = token(config, sources)?;
    let peer = PeerClient::try_new("auth", &config.peers.auth, token, sources.clone())
        .map_err(|error| BridgeFault::Client(error.into()))?;
    peer.get_json::<UsersPage>("/users?limit=1").await?;
    Ok(())
}

fn token(config: &Config, sources: &Sources) -> Result<MachineToken, IssuerError> {
    let issuer = Issuer::try_new(&config.identity, sources)?;
    let scope = "users:read";
    Ok(MachineToken::new(
        issuer,
        &config.identity,
        scope,
        sources.clone(),
    ))
}
