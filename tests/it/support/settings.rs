//! The settings of a service in the test's own process: the product's defaults, but for where everything is.

use std::io::Write as _;

use anyhow::Result;
use contracts::topology::Publisher;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

use super::{broker::TestBroker, database::TestDatabase, peers::Peers};

/// What is around the service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) service: Publisher,
    pub(crate) database: &'a TestDatabase,
    pub(crate) broker: &'a TestBroker,
    pub(crate) peers: &'a Peers,
}

/// Where a service finds everything.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) database: String,
    pub(crate) broker: String,
    pub(crate) issuer: String,
    /// Each peer's name and address.
    pub(crate) peers: Vec<(&'static str, String)>,
}

/// Loads the settings of a service with `defaults`; it finds each of `peers` at the fake peers.
pub(crate) fn load<C: DeserializeOwned>(
    defaults: &str,
    around: Surroundings<'_>,
    peers: &[&'static str],
) -> Result<C> {
    let file = write(&Places {
        database: around.database.application_url(),
        broker: around.broker.url(around.service),
        issuer: around.peers.issuer(),
        peers: peers
            .iter()
            .map(|peer| (*peer, around.peers.url()))
            .collect(),
    })?;
    Ok(platform::config::load(
        defaults,
        "NOT_SET_BY_ANYBODY_",
        Some(file.path()),
    )?)
}

/// Writes the settings of a service to a file.
pub(crate) fn write(places: &Places) -> Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    write!(
        file,
        r#"
        [pages]
        listen = "127.0.0.1:0"
        [api]
        listen = "127.0.0.1:0"
        [database]
        url = "{database}"
        [broker]
        url = "{broker}"
        [identity]
        issuer = "{issuer}"
        machine_client_secret = "it"
        [login]
        web_client_secret = "it"
        [session]
        key = "{key}"
        "#,
        database = places.database,
        broker = places.broker,
        issuer = places.issuer,
        key = "A".repeat(43) + "=",
    )?;
    for (peer, url) in &places.peers {
        writeln!(file, "[peers.{peer}]\nurl = \"{url}\"")?;
    }
    Ok(file)
}
