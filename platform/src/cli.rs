//! The command line that every service has: `serve`, `migrate`, `doctor`.

use std::{
    future::Future,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use serde::de::DeserializeOwned;

use crate::{
    config,
    doctor::Report,
    lifecycle::Lifecycle,
    metrics,
    telemetry::{self, LogConfig},
};

/// What the command line asks for.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// A TOML file that overrides the built-in defaults; the environment overrides both.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

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

/// Runs the command that the process was started with.
///
/// # Errors
/// When the settings cannot be used, or the command fails.
pub async fn run<P: Program>() -> anyhow::Result<ExitCode> {
    let Arguments { config, command } = Arguments::parse();
    execute::<P>(command, config.as_deref()).await
}

/// Runs one command, for a program that has others of its own.
///
/// # Errors
/// As of [`run`].
pub async fn execute<P: Program>(
    command: Command,
    config: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let settings: P::Config = config::load(P::DEFAULTS, P::ENVIRONMENT_PREFIX, config)?;
    telemetry::init(P::log(&settings))?;
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
