//! What `doctor` looks at: settings, migrations, database, broker, identity provider, auth bridge.

use contracts::{identity::UsersPage, rest, topology::Publisher};
use migrations::Database;
use platform::{
    auth::{Issuer, MachineToken},
    db,
    doctor::{Report, checks},
    peer::PeerClient,
    sources::Sources,
};

use crate::{app::performers::Performers, config::Config, store::StoreError};

/// Looks at everything the service needs, and goes on after each fault.
pub async fn examine(config: &Config) -> Report {
    let sources = Sources::system();
    let mut report = Report::new();
    report.add("time zone", config.calendar.zone().map(drop));
    let migrations = Database::Tasks.check(config.database.url.expose());
    report.add("database", migrations.await);
    report.add("performers", performers(config).await);
    let broker = checks::broker(&config.broker, Publisher::Tasks, &sources);
    report.add("broker", broker.await);
    match Issuer::try_new(&config.identity, &sources) {
        Err(error) => report.add("settings of the identity provider", Err(error)),
        Ok(issuer) => outside(config, &issuer, &sources, &mut report).await,
    }
    report
}

/// Reads what a draw needs, with the rights of the service.
async fn performers(config: &Config) -> Result<(), StoreError> {
    let db = db::connect(&config.database)
        .await
        .map_err(StoreError::from)?;
    let rule = config.assignment.clone().into();
    Performers::default().refresh(&db, &rule).await
}

async fn outside(config: &Config, issuer: &Issuer, sources: &Sources, report: &mut Report) {
    let scope = rest::USERS_READ;
    let token = MachineToken::new(issuer.clone(), &config.identity, scope, sources.clone());
    let provider = checks::identity_provider(&token).await;
    report.add("identity provider", provider);
    let users = PeerClient::try_new("auth", &config.peers.auth, token, sources.clone());
    let users = checks::peer::<UsersPage>(users, "/users?limit=1").await;
    report.add("auth bridge", users);
}
