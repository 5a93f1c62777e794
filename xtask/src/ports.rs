//! Every port of an environment, counted from its base port.

use anyhow::{Result, ensure};

/// The base port of the development environment, also of `compose.yaml`.
pub const DEVELOPMENT_BASE: u16 = 21_000;

/// The base port of the test environment.
pub const TEST_BASE: u16 = 22_000;

/// The base ports of the environments whose servers are killed: with this machine's broker, and
/// with RabbitMQ 4.
pub const FAULTS_BASE: u16 = TEST_BASE + 40;
/// See [`FAULTS_BASE`].
pub const FAULTS_BROKER_4_BASE: u16 = TEST_BASE + 70;
/// The base port of the environment that is measured.
pub const BENCH_BASE: u16 = 22_500;

/// The first port that operating systems hand out to outgoing connections.
const EPHEMERAL: u16 = 32_768;

/// What listens on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The one origin for people.
    Nginx,
    /// The pages of tasks-service, behind nginx.
    TasksPages,
    /// Machine REST, health and metrics of tasks-service.
    TasksApi,
    /// The pages of finance-service, behind nginx.
    FinancePages,
    /// Machine REST, health and metrics of finance-service.
    FinanceApi,
    /// REST, health and metrics of the auth bridge.
    AuthApi,
    /// Keycloak: login pages, tokens, console.
    Keycloak,
    /// Keycloak's own health and metrics.
    KeycloakManagement,
    /// PostgreSQL.
    Postgres,
    /// RabbitMQ, AMQP 0-9-1.
    Amqp,
    /// RabbitMQ's management pages and REST.
    RabbitmqManagement,
    /// RabbitMQ's metrics.
    RabbitmqPrometheus,
    /// Between RabbitMQ nodes and its tools.
    RabbitmqDistribution,
    /// Erlang's port mapper.
    Epmd,
    /// The first of three ports for RabbitMQ's command-line tools.
    RabbitmqToolsFirst,
    /// The last of them.
    RabbitmqToolsLast,
    /// The mail catcher's SMTP.
    Smtp,
    /// The mail catcher's web inbox.
    MailInbox,
}

impl Port {
    /// Every port.
    pub const ALL: [Self; 18] = [
        Self::Nginx,
        Self::TasksPages,
        Self::TasksApi,
        Self::FinancePages,
        Self::FinanceApi,
        Self::AuthApi,
        Self::Keycloak,
        Self::KeycloakManagement,
        Self::Postgres,
        Self::Amqp,
        Self::RabbitmqManagement,
        Self::RabbitmqPrometheus,
        Self::RabbitmqDistribution,
        Self::Epmd,
        Self::RabbitmqToolsFirst,
        Self::RabbitmqToolsLast,
        Self::Smtp,
        Self::MailInbox,
    ];

    /// The distance from the base port.
    #[must_use]
    pub const fn offset(self) -> u16 {
        match self {
            Self::Nginx => 0,
            Self::TasksPages => 1,
            Self::TasksApi => 2,
            Self::FinancePages => 3,
            Self::FinanceApi => 4,
            Self::AuthApi => 5,
            Self::Keycloak => 6,
            Self::KeycloakManagement => 7,
            Self::Postgres => 8,
            Self::Amqp => 9,
            Self::RabbitmqManagement => 10,
            Self::RabbitmqPrometheus => 11,
            Self::RabbitmqDistribution => 12,
            Self::Epmd => 13,
            Self::RabbitmqToolsFirst => 14,
            Self::RabbitmqToolsLast => 16,
            Self::Smtp => 17,
            Self::MailInbox => 18,
        }
    }
}

/// The ports of one environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    base: u16,
}

impl Ports {
    /// The ports from `base` on.
    ///
    /// # Errors
    /// When `base` needs root, or when a port would reach into the range of outgoing connections.
    pub fn try_new(base: u16) -> Result<Self> {
        let highest = EPHEMERAL - Port::MailInbox.offset();
        ensure!(
            (1_024..highest).contains(&base),
            "the base port {base} cannot be used: choose one from 1024 to {}",
            highest - 1
        );
        Ok(Self { base })
    }

    /// The port that the others are counted from.
    #[must_use]
    pub const fn base(self) -> u16 {
        self.base
    }

    /// The number of `port`.
    #[must_use]
    pub const fn of(self, port: Port) -> u16 {
        self.base + port.offset()
    }

    /// `127.0.0.1:PORT`: what a server listens on.
    #[must_use]
    pub fn address(self, port: Port) -> String {
        format!("127.0.0.1:{}", self.of(port))
    }

    /// `http://127.0.0.1:PORT`: how programs reach it.
    #[must_use]
    pub fn url(self, port: Port) -> String {
        format!("http://{}", self.address(port))
    }

    /// `http://localhost:PORT`: how people and OpenID Connect name it.
    #[must_use]
    pub fn public_url(self, port: Port) -> String {
        format!("http://localhost:{}", self.of(port))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_ports_are_the_same() {
        let offsets: BTreeSet<u16> = Port::ALL.into_iter().map(Port::offset).collect();
        assert_eq!(offsets.len(), Port::ALL.len());
    }

    #[test]
    fn a_base_port_that_reaches_into_the_outgoing_range_is_refused() {
        Ports::try_new(32_750).unwrap_err();
        Ports::try_new(80).unwrap_err();
        assert_eq!(Ports::try_new(21_000).unwrap().of(Port::MailInbox), 21_018);
    }
}
