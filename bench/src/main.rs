//! Measures the real services beside the bare limits of the same machine; `cargo xtask bench` runs it.

mod bare;
mod databases;
mod environment;
mod http;
mod messages;
mod pacing;
mod pipeline;
mod queue;
mod report;
mod run;
mod services;
mod session;
mod stats;
mod usage;
mod users;

use anyhow::Result;
use clap::Parser;

/// Measures the system.
#[derive(Debug, Parser)]
enum Command {
    /// From a new task to the ledger: every step beside its bare limit.
    Pipeline(pipeline::Options),
    /// A user by id, beside a bare handler.
    Users(run::Run),
    /// The bare handler that "create task" is compared with, as a process of its own.
    BareBoard(bare::board::Options),
    /// The bare handler that "a user by id" is compared with.
    BareDirectory(bare::directory::Options),
}

#[tokio::main]
async fn main() -> Result<()> {
    match Command::parse() {
        Command::Pipeline(options) => Box::pin(pipeline::run(options)).await,
        Command::Users(options) => Box::pin(users::run(options)).await,
        Command::BareBoard(options) => bare::board::serve(options).await,
        Command::BareDirectory(options) => bare::directory::serve(options).await,
    }
}
