//! What `doctor` looks at: settings, database, migrations, ledger, broker, identity provider, peers.

use contracts::{identity::UsersPage, rest, tasks::TasksPage, topology::Publisher};
use migrations::Database;
use platform::{
    auth::{Issuer, MachineToken},
    db,
    doctor::{Report, checks},
    peer::PeerClient,
    sources::Sources,
};
use thiserror::Error;

use crate::{
    config::{Config, InvalidSetting},
    store::{StoreError, audit},
};

#[derive(Debug, Error)]
enum LedgerFault {
    #[error("it cannot be read")]
    Unreadable(#[from] StoreError),
    #[error(
        "the balances of {different} of {accounts} accounts are not the sum of their transfers"
    )]
    Unbalanced { different: i64, accounts: i64 },
}

/// Looks at everything the service needs, and goes on after each fault.
pub async fn examine(config: &Config) -> Report {
    let sources = Sources::system();
    let mut report = Report::new();
    report.add("prices and currency", money(config));
    report.add("calendar", config.calendar.calendar().map(drop));
    let migrations = Database::Finance.check(config.database.url.expose());
    report.add("database", migrations.await);
    report.add("ledger", ledger(config).await);
    let broker = checks::broker(&config.broker, Publisher::Finance, &sources);
    report.add("broker", broker.await);
    match Issuer::try_new(&config.identity, &sources) {
        Err(error) => report.add("settings of the identity provider", Err(error)),
        Ok(issuer) => outside(config, &issuer, &sources, &mut report).await,
    }
    report
}

fn money(config: &Config) -> Result<(), InvalidSetting> {
    config.money.currency()?;
    config.money.tariff().map(drop)
}

async fn ledger(config: &Config) -> Result<(), LedgerFault> {
    let db = db::connect(&config.database)
        .await
        .map_err(StoreError::from)?;
    let comparison = audit::compare_balances(&db).await?;
    if comparison.different == 0 {
        return Ok(());
    }
    Err(LedgerFault::Unbalanced {
        different: comparison.different,
        accounts: comparison.accounts,
    })
}

async fn outside(config: &Config, issuer: &Issuer, sources: &Sources, report: &mut Report) {
    let token = |scope| MachineToken::new(issuer.clone(), &config.identity, scope, sources.clone());
    let peers = &config.peers;
    let provider = checks::identity_provider(&token(rest::USERS_READ)).await;
    report.add("identity provider", provider);
    let users = PeerClient::try_new(
        "auth",
        &peers.auth,
        token(rest::USERS_READ),
        sources.clone(),
    );
    let users = checks::peer::<UsersPage>(users, "/users?limit=1").await;
    report.add("auth bridge", users);
    let tasks = PeerClient::try_new(
        "tasks",
        &peers.tasks,
        token(rest::TASKS_READ),
        sources.clone(),
    );
    let tasks = checks::peer::<TasksPage>(tasks, "/tasks?limit=1").await;
    report.add("task board", tasks);
}
