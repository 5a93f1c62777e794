//! The running servers that `cargo xtask test` describes in a file.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::OnceLock};

use serde::Deserialize;
use url::Url;

/// Names the file that describes the servers.
const VARIABLE: &str = "TASK_EXCHANGE_ENVIRONMENT";

/// Addresses and passwords of the servers that the tests may use.
#[derive(Debug, Deserialize)]
pub(crate) struct Environment {
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
    /// The running auth bridge.
    pub(crate) auth_api_url: Url,
    /// The running task board.
    pub(crate) tasks_api_url: Url,
    /// The running finance.
    pub(crate) finance_api_url: Url,
    /// The pages of the task board, as people reach them.
    pub(crate) tasks_url: Url,
    /// The folder with what every part printed.
    pub(crate) logs: PathBuf,
    /// The demo people.
    pub(crate) people: Vec<Login>,
}

/// How somebody logs in.
#[derive(Debug, Deserialize)]
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: String,
}

/// The environment of this run.
///
/// Tests of servers have nothing to say without them, so its absence fails the test.
pub(crate) fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "tests have no settings of their own but this one"
        )]
        let path = std::env::var(VARIABLE).unwrap_or_else(|_unset| {
            panic!("{VARIABLE} is not set: run the tests with `cargo xtask test`")
        });
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
    })
}
