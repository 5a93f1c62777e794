//! What `doctor` checks: everything the bridge needs, each with one sentence when it is wrong.

use contracts::topology::Publisher;
use migrations::Database;
use platform::{
    auth::Issuer,
    db,
    doctor::{Report, checks},
    errors,
    sources::Sources,
};

use crate::{admin::AdminClient, config::Config, store::state, sync::check};

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
    let migrations = Database::Auth.check(config.database.url.expose());
    report.add("migrations", migrations.await);
    report.add("database", database(config).await);
    let broker = checks::broker(&config.broker, Publisher::Auth, &sources);
    report.add("broker", broker.await);
    match client(config, &sources) {
        Err(fault) => report.add("settings of Keycloak", Err(fault)),
        Ok(keycloak) => {
            let rights = check::rights(&keycloak, sources.now()).await;
            let recording = rights.as_ref().ok().map(check::recording);
            report.add("rights in Keycloak", rights.map(drop));
            if let Some(recording) = recording {
                report.add("events in Keycloak", recording);
            }
        }
    }
    report
}

async fn database(config: &Config) -> Result<(), Fault> {
    let db = db::connect(&config.database).await.map_err(Fault::of)?;
    state::load(&db).await.map(drop).map_err(Fault::of)
}

fn client(config: &Config, sources: &Sources) -> Result<AdminClient, Fault> {
    let issuer = Issuer::try_new(&config.identity, sources).map_err(Fault::of)?;
    AdminClient::try_new(&config.keycloak, &config.identity, issuer, sources.clone())
        .map_err(Fault::of)
}
