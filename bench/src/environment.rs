//! The running servers that `cargo xtask bench` describes in a file, and how to run the services.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use url::Url;

use crate::http;

/// Whom the measuring program asks as.
const CLIENT: &str = "tasks-m2m";

/// Addresses, accounts and processes of the environment.
#[derive(Debug, Deserialize)]
pub(crate) struct Environment {
    /// PostgreSQL URLs of the services' databases as their owners, who may create further ones.
    databases: BTreeMap<String, Url>,
    /// The AMQP URL of an administrator.
    pub(crate) amqp_url: Url,
    /// RabbitMQ's management interface; the same account.
    pub(crate) rabbitmq_management_url: Url,
    auth_api_url: Url,
    keycloak_url: Url,
    realm: String,
    clients: BTreeMap<String, String>,
    pids: BTreeMap<String, u32>,
    services: BTreeMap<String, Program>,
}

/// How to run a service.
#[derive(Debug, Deserialize)]
pub(crate) struct Program {
    pub(crate) program: PathBuf,
    pub(crate) variables: BTreeMap<String, String>,
}

/// What Keycloak's token endpoint answers.
#[derive(Debug, Deserialize)]
struct Token {
    access_token: String,
}

impl Environment {
    /// Reads the description.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// The URL of `database` on the server, as the owner of the databases of `service`.
    pub(crate) fn database(&self, service: &str, database: &str) -> Result<Url> {
        let own = self.databases.get(service);
        let mut url = own
            .with_context(|| format!("the environment has no database {service}"))?
            .clone();
        url.set_path(database);
        Ok(url)
    }

    /// Where the auth bridge listens, as `host:port`.
    pub(crate) fn bridge_address(&self) -> Result<String> {
        let url = &self.auth_api_url;
        let (host, port) = (url.host_str(), url.port_or_known_default());
        let (host, port) = host.zip(port).context("the auth bridge has no address")?;
        Ok(format!("{host}:{port}"))
    }

    /// A token of the task board's machine client; it lives for some minutes.
    pub(crate) async fn machine_token(&self, scope: &str) -> Result<String> {
        let secret = self.clients.get(CLIENT).context("no machine client")?;
        let path = format!("/realms/{}/protocol/openid-connect/token", self.realm);
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        let request = http::client()?.post(self.keycloak_url.join(&path)?);
        let answer = request.basic_auth(CLIENT, Some(secret)).form(&form);
        let answer = answer.send().await?.error_for_status()?;
        let token: Token = answer.json().await?;
        Ok(token.access_token)
    }

    /// The process of a server.
    pub(crate) fn pid(&self, part: &str) -> Result<u32> {
        let pid = self.pids.get(part);
        pid.copied().with_context(|| format!("{part} does not run"))
    }

    /// The program of a service with its settings.
    pub(crate) fn service(&self, name: &str) -> Result<&Program> {
        let program = self.services.get(name);
        program.with_context(|| format!("{name} is not built"))
    }
}
