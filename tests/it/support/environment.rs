//! The running servers that `cargo xtask test` describes in a file.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::OnceLock};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use url::Url;

use super::workspace;

/// Names the file that describes the servers.
const VARIABLE: &str = "TASK_EXCHANGE_ENVIRONMENT";

/// Names the program that stops and starts servers.
const TOOL: &str = "TASK_EXCHANGE_XTASK";

/// Addresses and passwords of the servers that the tests may use.
#[derive(Debug, Deserialize)]
pub(crate) struct Environment {
    /// Its name on the command line of xtask.
    pub(crate) name: String,
    /// PostgreSQL URLs of the services' databases as their owners, who may create further ones.
    pub(crate) databases: BTreeMap<String, Url>,
    /// The AMQP URL of an administrator.
    pub(crate) amqp_url: Url,
    /// RabbitMQ's management interface; the same account.
    pub(crate) rabbitmq_management_url: Url,
    /// Keycloak as its tokens name it.
    pub(crate) keycloak_url: String,
    /// The realm.
    pub(crate) realm: String,
    /// The administrator of Keycloak itself.
    pub(crate) keycloak_admin: Login,
    /// The running task board as people see it.
    pub(crate) tasks_url: Url,
    /// The running finance pages as people see them.
    pub(crate) finance_url: Url,
    /// The running auth bridge.
    pub(crate) auth_api_url: Url,
    /// The running task board.
    pub(crate) tasks_api_url: Url,
    /// The running finance.
    pub(crate) finance_api_url: Url,
    /// The mail catcher.
    pub(crate) mail_url: Url,
    /// The folder with what every part printed.
    pub(crate) logs: PathBuf,
    /// The demo people.
    pub(crate) people: Vec<Login>,
    /// The built services.
    pub(crate) services: BTreeMap<String, Service>,
}

/// A service as a program.
#[derive(Debug, Deserialize)]
pub(crate) struct Service {
    pub(crate) program: PathBuf,
}

/// How somebody logs in.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: String,
}

impl Environment {
    /// How a demo person logs in.
    pub(crate) fn person(&self, username: &str) -> Result<&Login> {
        let mut people = self.people.iter();
        people
            .find(|person| person.username == username)
            .with_context(|| format!("there is no demo person {username}"))
    }
}

/// The environment of this run.
///
/// Tests of servers have nothing to say without them, so its absence fails the test.
pub(crate) fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let path = variable(VARIABLE);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
    })
}

/// What xtask answers to a command about this run's environment.
///
/// # Errors
/// When it fails, with what it printed.
pub(crate) async fn xtask(arguments: &[&str]) -> Result<()> {
    let (command, rest) = arguments.split_first().context("xtask needs a command")?;
    let output = tokio::process::Command::new(variable(TOOL))
        .args([command, "--env", &environment().name])
        .args(rest)
        .current_dir(workspace::root())
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "xtask {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// What `cargo xtask test` says to its tests.
pub(crate) fn variable(name: &str) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no settings of their own but those of `cargo xtask test`"
    )]
    let value = std::env::var(name);
    value
        .unwrap_or_else(|_unset| panic!("{name} is not set: run the tests with `cargo xtask test`"))
}
