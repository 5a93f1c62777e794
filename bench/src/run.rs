//! What every run of measurements is told.

use std::path::PathBuf;

use clap::Args;

/// Where, and how often.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// What `cargo xtask bench` wrote about the running servers.
    #[arg(long)]
    pub(crate) environment: PathBuf,
    /// The folder for results and logs.
    #[arg(long)]
    pub(crate) output: PathBuf,
    /// How often bare and real are measured in turn.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: u16,
}
