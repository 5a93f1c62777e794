//! The parts of an environment: what each is, how it is started, seen to be ready, and stopped.

mod keycloak;
mod mail;
mod nginx;
mod postgres;
mod rabbitmq;
pub mod services;

use std::{ffi::OsStr, fmt, net::TcpListener, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use nix::sys::signal::Signal;

use crate::{
    console,
    environment::{Environment, variable},
    failure::Failure,
    ports::Port,
    probe::{self, Probe},
    process,
    programs::Programs,
};

pub(crate) use keycloak::{ADMINISTRATOR as KEYCLOAK_ADMINISTRATOR, realm_tool};
pub(crate) use postgres::owner_urls as database_owner_urls;
pub(crate) use rabbitmq::{
    ADMINISTRATOR as BROKER_ADMINISTRATOR, control as broker_control, forget as forget_broker,
    url as broker_url,
};
pub(crate) use services::migrate;

/// A server of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Part {
    /// The database server.
    Postgres,
    /// Erlang's port mapper, which RabbitMQ would otherwise leave behind.
    Epmd,
    /// The message broker.
    Rabbitmq,
    /// Users and logins.
    Keycloak,
    /// The mail catcher.
    Mail,
    /// The one origin for people.
    Nginx,
    /// The service beside Keycloak.
    AuthBridge,
    /// The task board.
    TasksService,
    /// The money.
    FinanceService,
}

/// What starting a part needs to know.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) programs: &'a Programs,
    /// The folder of the built services, once they are built.
    pub(crate) binaries: Option<PathBuf>,
}

impl Context<'_> {
    /// The program of a service.
    ///
    /// # Errors
    /// When the services are not built.
    fn binary(&self, service: Part) -> Result<PathBuf> {
        let binaries = self.binaries.as_ref();
        let folder = binaries.context("the services are not built yet: run `cargo xtask up`")?;
        Ok(folder.join(service.name()))
    }
}

impl Part {
    /// Every part, in an order in which they can start one after the other.
    pub const ALL: [Self; 9] = [
        Self::Postgres,
        Self::Epmd,
        Self::Rabbitmq,
        Self::Keycloak,
        Self::Mail,
        Self::Nginx,
        Self::AuthBridge,
        Self::TasksService,
        Self::FinanceService,
    ];

    /// The three services of this repository.
    pub const SERVICES: [Self; 3] = [Self::AuthBridge, Self::TasksService, Self::FinanceService];

    /// Its name in commands, logs and `environment.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Epmd => "epmd",
            Self::Rabbitmq => "rabbitmq",
            Self::Keycloak => "keycloak",
            Self::Mail => "mail",
            Self::Nginx => "nginx",
            Self::AuthBridge => "auth-bridge",
            Self::TasksService => "tasks-service",
            Self::FinanceService => "finance-service",
        }
    }

    /// The ports it listens on.
    #[must_use]
    pub const fn ports(self) -> &'static [Port] {
        match self {
            Self::Postgres => &[Port::Postgres],
            Self::Epmd => &[Port::Epmd],
            Self::Rabbitmq => &[
                Port::Amqp,
                Port::RabbitmqManagement,
                Port::RabbitmqPrometheus,
                Port::RabbitmqDistribution,
            ],
            Self::Keycloak => &[Port::Keycloak, Port::KeycloakManagement],
            Self::Mail => &[Port::Smtp, Port::MailInbox],
            Self::Nginx => &[Port::Nginx],
            Self::AuthBridge => &[Port::AuthApi],
            Self::TasksService => &[Port::TasksPages, Port::TasksApi],
            Self::FinanceService => &[Port::FinancePages, Port::FinanceApi],
        }
    }

    /// How long it may take to become ready on a slow machine.
    const fn patience(self) -> Duration {
        match self {
            Self::Keycloak => Duration::from_mins(8),
            Self::Rabbitmq => Duration::from_mins(4),
            _ => Duration::from_mins(2),
        }
    }

    /// The signal that asks it to end in good order.
    const fn stop_signal(self) -> Signal {
        match self {
            // PostgreSQL's "fast" shutdown; SIGTERM would wait for every client to leave.
            Self::Postgres => Signal::SIGINT,
            _ => Signal::SIGTERM,
        }
    }

    fn probe(self, environment: &Environment) -> Probe {
        let ports = environment.ports;
        match self {
            Self::Postgres => postgres::probe(environment),
            Self::Epmd => Probe::Tcp(ports.of(Port::Epmd)),
            Self::Rabbitmq => rabbitmq::probe(environment),
            Self::Keycloak => Probe::Http(format!(
                "{}/health/ready",
                ports.url(Port::KeycloakManagement)
            )),
            Self::Mail => Probe::Http(format!("{}/healthz", ports.url(Port::MailInbox))),
            Self::Nginx => Probe::Http(format!("{}/nginx-health", ports.url(Port::Nginx))),
            Self::AuthBridge => services::probe(environment, Port::AuthApi),
            Self::TasksService => services::probe(environment, Port::TasksApi),
            Self::FinanceService => services::probe(environment, Port::FinanceApi),
        }
    }

    /// Whether it runs and is ready.
    pub(crate) fn is_healthy(self, environment: &Environment) -> bool {
        process::running(environment, self.name()).is_some() && self.probe(environment).is_ready()
    }

    /// Starts it unless it runs and is ready, and waits until it is.
    pub(crate) fn start(self, context: &Context<'_>) -> Result<()> {
        let environment = context.environment;
        if self.is_healthy(environment) {
            console::progress(self.name(), "runs already");
            return Ok(());
        }
        self.stop(environment)?;
        self.check_ports(environment)?;
        console::progress(self.name(), "starting");
        match self {
            Self::Postgres => postgres::start(context)?,
            Self::Epmd => rabbitmq::start_epmd(context)?,
            Self::Rabbitmq => rabbitmq::start(context)?,
            Self::Keycloak => keycloak::start(context)?,
            Self::Mail => mail::start(context)?,
            Self::Nginx => nginx::start(context)?,
            Self::AuthBridge | Self::TasksService | Self::FinanceService => {
                services::start(context, self)?;
            }
        }
        probe::wait(
            environment,
            self.name(),
            &self.probe(environment),
            self.patience(),
        )?;
        if self == Self::Postgres {
            postgres::create_databases(context)?;
        }
        console::progress(self.name(), "ready");
        Ok(())
    }

    /// Stops it; says whether it ran.
    pub(crate) fn stop(self, environment: &Environment) -> Result<bool> {
        process::stop(
            environment,
            self.name(),
            self.stop_signal(),
            Duration::from_secs(30),
        )
    }

    /// Ends it and its children without a warning; says whether it ran.
    pub(crate) fn kill(self, environment: &Environment) -> Result<bool> {
        process::crash(environment, self.name())
    }

    /// Makes sure that nobody else has its ports.
    ///
    /// # Errors
    /// One sentence that names the port.
    pub(crate) fn check_ports(self, environment: &Environment) -> Result<()> {
        for port in self.ports() {
            let number = environment.ports.of(*port);
            if TcpListener::bind(("127.0.0.1", number)).is_err() {
                bail!(Failure::new(
                    self.name(),
                    format!(
                        "port {number} is taken by another program: stop that one, or choose other ports with --base-port"
                    )
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A command that inherits nothing from the person who runs this but where programs and home are.
fn clean_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LANG", "C.UTF-8");
    for name in ["PATH", "HOME"] {
        if let Some(value) = variable(name) {
            command.env(name, value);
        }
    }
    command
}
