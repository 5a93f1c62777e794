//! The command line of tasks-service: `serve`, `migrate`, `doctor`, `replay`, `conciliate`.

use std::process::ExitCode;

use migrations::Database;
use platform::{
    cli::Program,
    doctor::Report,
    lifecycle::Lifecycle,
    maintenance::{Maintenance, Reader},
    rabbit,
    sources::Sources,
    telemetry::LogConfig,
};
use tasks_service::{
    config::{Config, DEFAULTS, ENVIRONMENT_PREFIX},
    doctor, maintenance, service,
};

struct Tasks;

impl Program for Tasks {
    type Config = Config;

    const DEFAULTS: &'static str = DEFAULTS;

    const ENVIRONMENT_PREFIX: &'static str = ENVIRONMENT_PREFIX;

    fn log(config: &Config) -> &LogConfig {
        &config.log
    }

    async fn serve(config: Config, lifecycle: Lifecycle) -> anyhow::Result<()> {
        let listeners = service::start(config, Sources::system(), &lifecycle).await?;
        tracing::info!(pages = %listeners.pages.address, api = %listeners.api.address, "tasks-service is up");
        Ok(())
    }

    async fn migrate(config: Config) -> anyhow::Result<()> {
        Database::Tasks
            .migrate(config.database.owner_url()?)
            .await?;
        rabbit::declare(&config.broker).await?;
        Ok(())
    }

    async fn doctor(config: Config) -> Report {
        doctor::examine(&config).await
    }
}

impl Reader for Tasks {
    async fn maintain(config: Config, command: Maintenance) -> anyhow::Result<ExitCode> {
        maintenance::execute(&config, Sources::system(), command).await
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    platform::maintenance::run::<Tasks>().await
}
