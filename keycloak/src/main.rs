//! The binary of the auth bridge.

use std::process::ExitCode;

use auth_bridge::AuthBridge;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    platform::cli::run::<AuthBridge>().await
}
