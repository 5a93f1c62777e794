//! The running servers that `cargo xtask test` describes in a file.

use std::{collections::BTreeMap, fs, sync::OnceLock};

use serde::Deserialize;
use url::Url;

/// Names the file that describes the servers.
const VARIABLE: &str = "TASK_EXCHANGE_ENVIRONMENT";

/// Addresses and passwords of the servers that the tests may use.
#[derive(Debug, Deserialize)]
pub(crate) struct Environment {
    /// PostgreSQL URLs by role: `postgres`, and per service its owner and its application role.
    pub(crate) postgres_urls: BTreeMap<String, Url>,
    /// AMQP URLs by account: `setup`, `auth`, `tasks`, `finance`.
    pub(crate) amqp_urls: BTreeMap<String, Url>,
    /// RabbitMQ's management interface, used with the account `setup`.
    pub(crate) rabbitmq_management_url: Url,
    /// Keycloak as its tokens name it.
    pub(crate) keycloak_url: String,
    /// The realm.
    pub(crate) realm: String,
    /// The administrator of Keycloak itself.
    pub(crate) keycloak_admin_username: String,
    /// Their password.
    pub(crate) keycloak_admin_password: String,
    /// The secrets of the realm's clients by client id.
    pub(crate) client_secrets: BTreeMap<String, String>,
}

impl Environment {
    /// The URL of `database` for `role`.
    pub(crate) fn postgres(&self, role: &str, database: &str) -> String {
        let mut url = self
            .postgres_urls
            .get(role)
            .unwrap_or_else(|| panic!("no PostgreSQL role {role}"))
            .clone();
        url.set_path(database);
        url.into()
    }

    /// The URL of `vhost` for `account`.
    pub(crate) fn amqp(&self, account: &str, vhost: &str) -> String {
        let mut url = self
            .amqp_urls
            .get(account)
            .unwrap_or_else(|| panic!("no broker account {account}"))
            .clone();
        url.set_path(vhost);
        url.into()
    }
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
