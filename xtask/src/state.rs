//! What an environment remembers about itself between runs, to notice a stale data folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{environment::Environment, facts::KEYCLOAK_VERSION, files, programs::Programs};

/// Bumped when the layout of the data folder changes in a way that old data does not survive.
const LAYOUT: u32 = 1;

/// What the data was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    layout: u32,
    pub(crate) base_port: u16,
    postgres_major: u32,
    rabbitmq: String,
    keycloak: String,
    /// The folder of the service binaries that were started last.
    pub(crate) binaries: Option<PathBuf>,
}

impl State {
    /// Reads what was kept, none when the environment is new.
    pub(crate) fn load(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("state.json");
        let Ok(text) = fs::read_to_string(&path) else {
            return Ok(None);
        };
        let state = serde_json::from_str(&text).with_context(|| {
            format!("{} is damaged: delete {}", path.display(), folder.display())
        })?;
        Ok(Some(state))
    }

    /// Writes it down.
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        files::write(
            &folder.join("state.json"),
            &serde_json::to_string_pretty(self)?,
            0o644,
        )
    }

    /// Keeps where the services were built.
    pub(crate) fn with_binaries(self, binaries: PathBuf) -> Self {
        Self {
            binaries: Some(binaries),
            ..self
        }
    }

    /// Compares what is kept with the programs of this machine, and keeps the newer truth.
    ///
    /// # Errors
    /// One sentence when the data cannot be used any more.
    pub(crate) fn open(environment: &Environment, programs: &Programs) -> Result<Self> {
        let folder = &environment.folder();
        let now = Self {
            layout: LAYOUT,
            base_port: environment.ports.base(),
            postgres_major: programs.postgres_major,
            rabbitmq: programs.rabbitmq_version.clone(),
            keycloak: KEYCLOAK_VERSION.to_owned(),
            binaries: None,
        };
        let Some(kept) = Self::load(folder)? else {
            now.save(folder)?;
            return Ok(now);
        };
        if kept.layout != now.layout
            || kept.postgres_major != now.postgres_major
            || kept.rabbitmq != now.rabbitmq
        {
            bail!(
                "the data in {} was made by other versions (PostgreSQL {}, RabbitMQ {}; this machine has {} and {}): \
                 forget it with `cargo xtask down{} --wipe`",
                folder.display(),
                kept.postgres_major,
                kept.rabbitmq,
                now.postgres_major,
                now.rabbitmq,
                environment.option()
            );
        }
        let opened = Self {
            binaries: kept.binaries,
            ..now
        };
        opened.save(folder)?;
        Ok(opened)
    }
}
