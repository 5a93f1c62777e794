//! The binary of the auth bridge.

use std::{path::PathBuf, process::ExitCode};

use auth_bridge::{
    AuthBridge,
    realm::{self, RealmCommand},
};
use clap::{Parser, Subcommand};
use platform::cli;

/// What the command line asks for: a command of every service, or something about the realm.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// A TOML file that overrides the built-in defaults; the environment overrides both.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Service(cli::Command),
    /// Compare the realm file with the realm that runs, or take the file over.
    #[command(subcommand)]
    Realm(RealmCommand),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Arguments { config, command } = Arguments::parse();
    match command {
        Command::Service(command) => cli::execute::<AuthBridge>(command, config.as_deref()).await,
        Command::Realm(command) => Ok(realm::run(command).await),
    }
}
