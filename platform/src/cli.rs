//! The commands that every service has: `serve`, `migrate`, `doctor`.

use std::{future::Future, path::Path, process::ExitCode};

use anyhow::Context;
use clap::Subcommand;
use serde::de::DeserializeOwned;

use crate::{
    config,
    doctor::Report,
    lifecycle::Lifecycle,
    metrics,
    telemetry::{self, LogConfig},
};

/// The commands of every service.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service until SIGTERM.
    Serve,
    /// Bring the database up to date and declare exchanges and queues, then end.
    Migrate,
    /// Check everything the service needs and say in words what is wrong, then end.
    Doctor,
}

/// A service as its command line sees it.
pub trait Program {
    /// All settings of the service.
    type Config: DeserializeOwned + Send;

    /// The documented defaults, TOML.
    const DEFAULTS: &'static str;

    /// How the variables of its environment start, for example `TASKS_`.
    const ENVIRONMENT_PREFIX: &'static str;

    /// Its section `[log]`.
    fn log(config: &Self::Config) -> &LogConfig;

    /// Starts every task of the service on `lifecycle` and returns.
    fn serve(
        config: Self::Config,
        lifecycle: Lifecycle,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Brings the database up to date and declares exchanges and queues.
    fn migrate(config: Self::Config) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Checks everything the service needs.
    fn doctor(config: Self::Config) -> impl Future<Output = Report> + Send;
}

/// Reads the settings and writes the log from now on as they say; `config` is a TOML file that overrides
/// the built-in defaults.
///
/// # Errors
/// When the settings cannot be used.
pub fn prepare<P: Program>(config: Option<&Path>) -> anyhow::Result<P::Config> {
    let settings: P::Config = config::load(P::DEFAULTS, P::ENVIRONMENT_PREFIX, config)?;
    telemetry::init(P::log(&settings))?;
    Ok(settings)
}

/// Runs one of the commands of every service.
///
/// # Errors
/// When the settings cannot be used, or the command fails.
pub async fn execute<P: Program>(
    command: Command,
    config: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let settings = prepare::<P>(config)?;
    match command {
        Command::Serve => {
            let lifecycle = Lifecycle::new();
            metrics::install(&lifecycle)?;
            P::serve(settings, lifecycle.clone())
                .await
                .context("the service cannot start")?;
            Ok(lifecycle.run().await?)
        }
        Command::Migrate => {
            P::migrate(settings).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor => Ok(P::doctor(settings).await.print()),
    }
}
