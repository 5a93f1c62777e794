//! The settings of a service in the test's own process: the product's defaults, but for where everything is.

use std::io::Write as _;

use anyhow::Result;
use contracts::topology::Publisher;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;
use url::Url;

use super::{
    broker::TestBroker,
    database::TestDatabase,
    environment::environment,
    keycloak::{self, Keycloak},
    peers::Peers,
};

/// What is around the service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) service: Publisher,
    pub(crate) database: &'a TestDatabase,
    pub(crate) broker: &'a TestBroker,
    pub(crate) peers: &'a Peers,
    pub(crate) identity: &'a Identity,
}

/// Who vouches for people and machines, and what the service needs to be told by them.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The origin under which people see the pages.
    pub(crate) origin: Url,
    issuer: String,
    machine_secret: String,
    web_secret: String,
}

impl Identity {
    /// An issuer that the test plays; nobody can log in there.
    pub(crate) fn played(issuer: String) -> Result<Self> {
        Ok(Self {
            origin: "http://localhost:1".parse()?,
            issuer,
            machine_secret: "it".to_owned(),
            web_secret: "it".to_owned(),
        })
    }

    /// The realm itself, which takes the service for the running one of the same kind.
    pub(crate) async fn of_realm(service: Publisher) -> Result<Self> {
        let keycloak = Keycloak::log_in().await?;
        let name = service.exchange();
        Ok(Self {
            origin: environment().tasks_url.join("/")?,
            issuer: keycloak::issuer(),
            machine_secret: keycloak.secret(&format!("{name}-m2m")).await?,
            web_secret: keycloak.secret(&format!("{name}-web")).await?,
        })
    }
}

/// Where a service finds everything.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) database: String,
    pub(crate) broker: String,
    pub(crate) identity: Identity,
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
        identity: around.identity.clone(),
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
        origin = "{origin}"
        [api]
        listen = "127.0.0.1:0"
        [database]
        url = "{database}"
        [broker]
        url = "{broker}"
        [identity]
        issuer = "{issuer}"
        machine_client_secret = "{machine_secret}"
        [login]
        web_client_secret = "{web_secret}"
        [session]
        key = "{key}"
        "#,
        database = places.database,
        broker = places.broker,
        origin = places.identity.origin,
        issuer = places.identity.issuer,
        machine_secret = places.identity.machine_secret,
        web_secret = places.identity.web_secret,
        key = "A".repeat(43) + "=",
    )?;
    for (peer, url) in &places.peers {
        writeln!(file, "[peers.{peer}]\nurl = \"{url}\"")?;
    }
    Ok(file)
}
