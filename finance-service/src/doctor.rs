//! What `doctor` looks at: settings, database, ledger, broker.

use std::time::Duration;

use contracts::topology::Publisher;
use platform::{
    db,
    doctor::Report,
    rabbit::{self, Broker, BrokerConfigError, LinkError},
    sources::Sources,
};
use thiserror::Error;
use tokio::time::timeout;

use crate::{
    config::{Config, InvalidSetting},
    store::{StoreError, audit},
};

/// Long enough for a broker that is there.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Error)]
enum LedgerFault {
    #[error("it cannot be read")]
    Unreadable(#[from] StoreError),
    #[error(
        "the balances of {different} of {accounts} accounts are not the sum of their transfers"
    )]
    Unbalanced { different: i64, accounts: i64 },
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

/// Looks at everything the service needs.
pub async fn examine(config: &Config) -> Report {
    let mut report = Report::new();
    report.add("prices and currency", money(config));
    report.add("calendar", config.calendar.calendar().map(drop));
    report.add("ledger", ledger(config).await);
    report.add("broker", broker(config).await);
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

async fn broker(config: &Config) -> Result<(), BrokerFault> {
    let broker = Broker::try_new(&config.broker, Publisher::Finance, &Sources::system())?;
    let missing = timeout(PATIENCE, rabbit::missing(&broker)).await;
    let missing = missing.map_err(|_elapsed| BrokerFault::Silent)??;
    if missing.is_empty() {
        return Ok(());
    }
    Err(BrokerFault::Incomplete(missing.join("; ")))
}
