//! Passwords and keys of an environment: drawn once, kept in a file only its owner can read.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use crate::{files, hex};

/// One password or key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Secret {
    PostgresSuperuser,
    PostgresTasks,
    PostgresTasksApp,
    PostgresFinance,
    PostgresFinanceApp,
    PostgresAuth,
    PostgresAuthApp,
    PostgresKeycloak,
    BrokerSetup,
    BrokerTasks,
    BrokerFinance,
    BrokerAuth,
    KeycloakAdmin,
    TasksWebClient,
    FinanceWebClient,
    TasksMachineClient,
    FinanceMachineClient,
    AuthBridgeClient,
    TasksSessionKey,
    FinanceSessionKey,
}

impl Secret {
    const ALL: [Self; 20] = [
        Self::PostgresSuperuser,
        Self::PostgresTasks,
        Self::PostgresTasksApp,
        Self::PostgresFinance,
        Self::PostgresFinanceApp,
        Self::PostgresAuth,
        Self::PostgresAuthApp,
        Self::PostgresKeycloak,
        Self::BrokerSetup,
        Self::BrokerTasks,
        Self::BrokerFinance,
        Self::BrokerAuth,
        Self::KeycloakAdmin,
        Self::TasksWebClient,
        Self::FinanceWebClient,
        Self::TasksMachineClient,
        Self::FinanceMachineClient,
        Self::AuthBridgeClient,
        Self::TasksSessionKey,
        Self::FinanceSessionKey,
    ];

    /// Passwords stand in URLs, so they are hexadecimal; the services want their keys in base64.
    fn draw(self) -> Result<String> {
        let mut bytes = [0; 32];
        File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(&mut bytes))
            .context("cannot read random bytes from /dev/urandom")?;
        Ok(match self {
            Self::TasksSessionKey | Self::FinanceSessionKey => BASE64_STANDARD.encode(bytes),
            _ => hex::encode(bytes.iter().take(16)),
        })
    }
}

/// All passwords and keys of one environment.
#[derive(Debug, Clone)]
pub(crate) struct Secrets(BTreeMap<Secret, String>);

impl Secrets {
    /// Reads the file, draws what it lacks and writes it back.
    pub(crate) fn load_or_draw(path: &Path) -> Result<Self> {
        let mut known: BTreeMap<Secret, String> = match fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).with_context(|| {
                format!(
                    "{} is damaged: delete it with `down --wipe`",
                    path.display()
                )
            })?,
            Err(_) => BTreeMap::new(),
        };
        let before = known.len();
        for secret in Secret::ALL {
            if let Entry::Vacant(missing) = known.entry(secret) {
                missing.insert(secret.draw()?);
            }
        }
        if known.len() > before {
            files::write(path, &serde_json::to_string_pretty(&known)?, 0o600)?;
        }
        Ok(Self(known))
    }

    /// The value of `secret`; all of them are there once loaded.
    pub(crate) fn get(&self, secret: Secret) -> &str {
        self.0.get(&secret).map_or("", String::as_str)
    }
}
