//! What the bridge does besides its work: it says what is not set up, and forgets what it has seen.

use std::fs;

use anyhow::{Context as _, Result};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::topology::{Publisher, unrouted};
use tempfile::NamedTempFile;

use super::{
    own::{OwnBridge, QUICK},
    watched::username,
};
use crate::support::{builders::now, environment::environment, keycloak::Keycloak, waiting::until};

#[tokio::test]
async fn the_bridge_says_at_start_which_exchange_and_which_queue_are_missing() -> Result<()> {
    let mut bridge = OwnBridge::prepare(&environment().realm, QUICK).await?;
    let (exchange, queue) = (Publisher::Auth.exchange(), unrouted(Publisher::Auth));
    bridge.broker.delete_exchange(exchange).await?;
    bridge.broker.delete(&queue).await?;
    let log = NamedTempFile::new()?;
    let mut process = bridge.spawn_logging_to(log.reopen()?.into())?;
    let log = || fs::read_to_string(log.path()).unwrap_or_default();
    for words in [
        format!("there is no exchange {exchange};"),
        format!("there is no queue {queue}"),
    ] {
        until(&words, || async { Ok(log().contains(&words)) })
            .await
            .with_context(log)?;
    }

    bridge.broker.declare().await?;
    let keycloak = Keycloak::log_in().await?;
    let person = keycloak.create_person(&username()).await?;
    bridge.next_about(person).await.with_context(log)?;
    keycloak.delete_person(person).await?;
    process.kill().await?;
    bridge.remove().await
}

/// Lets the bridge have seen an event then.
async fn see(bridge: &OwnBridge, event: &str, at: DateTime<Utc>) -> Result<()> {
    let sql = "INSERT INTO seen_event (event_id, happened_at, is_settled) VALUES ($1, $2, true)";
    let insert = sqlx::query(sql).bind(event).bind(at);
    insert.execute(&bridge.database.owned).await?;
    Ok(())
}

#[tokio::test]
async fn the_bridge_forgets_the_events_that_no_look_reaches_back_to_and_no_other() -> Result<()> {
    let bridge = OwnBridge::open(&environment().realm, QUICK).await?;
    // By the time of the newest event that it has read: there has to be one.
    let keycloak = Keycloak::log_in().await?;
    let person = keycloak.create_person(&username()).await?;
    see(&bridge, "old", now() - TimeDelta::days(4_000)).await?;
    // Within twice the reach of a deep look, wherever the newest event lies.
    see(&bridge, "young", now() - TimeDelta::seconds(100)).await?;
    let knows = async |event: &str| {
        let is_it = format!("event_id = '{event}'");
        anyhow::Ok(bridge.database.count("seen_event", &is_it).await? == 1)
    };
    until("the old one is forgotten", || async {
        Ok(!knows("old").await?)
    })
    .await?;
    assert!(knows("young").await?);
    keycloak.delete_person(person).await?;
    bridge.remove().await
}
