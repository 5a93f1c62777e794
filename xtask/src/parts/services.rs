//! The three services: their settings, their migrations, their processes.

use std::process::Command;

use anyhow::Result;

use super::{Context, Part, clean_command, postgres, rabbitmq};
use crate::{
    command::Helper,
    environment::Environment,
    facts::REALM,
    ports::Port,
    probe::Probe,
    process::{self, Wrapping},
    secrets::Secret,
};

/// Where the value of a setting comes from.
#[derive(Debug, Clone, Copy)]
enum Value {
    Text(&'static str),
    Secret(Secret),
    /// `127.0.0.1:PORT`.
    Address(Port),
    /// `http://127.0.0.1:PORT`.
    Url(Port),
    /// `http://localhost:PORT`.
    PublicUrl(Port),
    /// The issuer of the realm's tokens.
    Issuer,
    /// A database as one of its roles.
    Database {
        name: &'static str,
        role: &'static str,
        password: Secret,
    },
    /// The broker as one of its accounts.
    Broker {
        user: &'static str,
        password: Secret,
    },
}

type Setting = (&'static str, Value);

/// What all commands of the auth bridge need.
const AUTH: [Setting; 9] = [
    ("AUTH_API__LISTEN", Value::Address(Port::AuthApi)),
    (
        "AUTH_DATABASE__URL",
        Value::Database {
            name: "auth",
            role: "auth_app",
            password: Secret::PostgresAuthApp,
        },
    ),
    (
        "AUTH_BROKER__URL",
        Value::Broker {
            user: "auth",
            password: Secret::BrokerAuth,
        },
    ),
    ("AUTH_IDENTITY__ISSUER", Value::Issuer),
    ("AUTH_IDENTITY__AUDIENCE", Value::Text("auth")),
    (
        "AUTH_IDENTITY__MACHINE_CLIENT_ID",
        Value::Text("auth-bridge"),
    ),
    (
        "AUTH_IDENTITY__MACHINE_CLIENT_SECRET",
        Value::Secret(Secret::AuthBridgeClient),
    ),
    ("AUTH_KEYCLOAK__URL", Value::PublicUrl(Port::Keycloak)),
    ("AUTH_KEYCLOAK__REALM", Value::Text(REALM)),
];

/// What all commands of tasks-service need.
const TASKS: [Setting; 14] = [
    ("TASKS_PAGES__LISTEN", Value::Address(Port::TasksPages)),
    ("TASKS_PAGES__ORIGIN", Value::PublicUrl(Port::Nginx)),
    ("TASKS_API__LISTEN", Value::Address(Port::TasksApi)),
    (
        "TASKS_DATABASE__URL",
        Value::Database {
            name: "tasks",
            role: "tasks_app",
            password: Secret::PostgresTasksApp,
        },
    ),
    (
        "TASKS_BROKER__URL",
        Value::Broker {
            user: "tasks",
            password: Secret::BrokerTasks,
        },
    ),
    ("TASKS_IDENTITY__ISSUER", Value::Issuer),
    ("TASKS_IDENTITY__AUDIENCE", Value::Text("tasks")),
    (
        "TASKS_IDENTITY__MACHINE_CLIENT_ID",
        Value::Text("tasks-m2m"),
    ),
    (
        "TASKS_IDENTITY__MACHINE_CLIENT_SECRET",
        Value::Secret(Secret::TasksMachineClient),
    ),
    ("TASKS_LOGIN__WEB_CLIENT_ID", Value::Text("tasks-web")),
    (
        "TASKS_LOGIN__WEB_CLIENT_SECRET",
        Value::Secret(Secret::TasksWebClient),
    ),
    ("TASKS_SESSION__KEY", Value::Secret(Secret::TasksSessionKey)),
    ("TASKS_PEERS__AUTH__URL", Value::Url(Port::AuthApi)),
    ("TASKS_PEERS__FINANCE__URL", Value::Url(Port::FinanceApi)),
];

/// What all commands of finance-service need.
const FINANCE: [Setting; 14] = [
    ("FINANCE_PAGES__LISTEN", Value::Address(Port::FinancePages)),
    ("FINANCE_PAGES__ORIGIN", Value::PublicUrl(Port::Nginx)),
    ("FINANCE_API__LISTEN", Value::Address(Port::FinanceApi)),
    (
        "FINANCE_DATABASE__URL",
        Value::Database {
            name: "finance",
            role: "finance_app",
            password: Secret::PostgresFinanceApp,
        },
    ),
    (
        "FINANCE_BROKER__URL",
        Value::Broker {
            user: "finance",
            password: Secret::BrokerFinance,
        },
    ),
    ("FINANCE_IDENTITY__ISSUER", Value::Issuer),
    ("FINANCE_IDENTITY__AUDIENCE", Value::Text("finance")),
    (
        "FINANCE_IDENTITY__MACHINE_CLIENT_ID",
        Value::Text("finance-m2m"),
    ),
    (
        "FINANCE_IDENTITY__MACHINE_CLIENT_SECRET",
        Value::Secret(Secret::FinanceMachineClient),
    ),
    ("FINANCE_LOGIN__WEB_CLIENT_ID", Value::Text("finance-web")),
    (
        "FINANCE_LOGIN__WEB_CLIENT_SECRET",
        Value::Secret(Secret::FinanceWebClient),
    ),
    (
        "FINANCE_SESSION__KEY",
        Value::Secret(Secret::FinanceSessionKey),
    ),
    ("FINANCE_PEERS__AUTH__URL", Value::Url(Port::AuthApi)),
    ("FINANCE_PEERS__TASKS__URL", Value::Url(Port::TasksApi)),
];

/// What `migrate` needs on top: rights that the running service does not have.
const AUTH_MIGRATION: [Setting; 2] = [
    (
        "AUTH_DATABASE__MIGRATION_URL",
        Value::Database {
            name: "auth",
            role: "auth",
            password: Secret::PostgresAuth,
        },
    ),
    (
        "AUTH_BROKER__SETUP_URL",
        Value::Broker {
            user: rabbitmq::ADMINISTRATOR,
            password: Secret::BrokerSetup,
        },
    ),
];

const TASKS_MIGRATION: [Setting; 2] = [
    (
        "TASKS_DATABASE__MIGRATION_URL",
        Value::Database {
            name: "tasks",
            role: "tasks",
            password: Secret::PostgresTasks,
        },
    ),
    (
        "TASKS_BROKER__SETUP_URL",
        Value::Broker {
            user: rabbitmq::ADMINISTRATOR,
            password: Secret::BrokerSetup,
        },
    ),
];

const FINANCE_MIGRATION: [Setting; 2] = [
    (
        "FINANCE_DATABASE__MIGRATION_URL",
        Value::Database {
            name: "finance",
            role: "finance",
            password: Secret::PostgresFinance,
        },
    ),
    (
        "FINANCE_BROKER__SETUP_URL",
        Value::Broker {
            user: rabbitmq::ADMINISTRATOR,
            password: Secret::BrokerSetup,
        },
    ),
];

/// The names of the variables that `serve` of a service is given; none for other parts.
#[must_use]
pub fn setting_names(service: Part) -> Vec<&'static str> {
    settings(service).iter().map(|(name, _)| *name).collect()
}

/// The names of the variables that `migrate` of a service is given on top.
#[must_use]
pub fn migration_setting_names(service: Part) -> Vec<&'static str> {
    migration_settings(service)
        .iter()
        .map(|(name, _)| *name)
        .collect()
}

const fn settings(service: Part) -> &'static [Setting] {
    match service {
        Part::AuthBridge => &AUTH,
        Part::TasksService => &TASKS,
        Part::FinanceService => &FINANCE,
        _ => &[],
    }
}

const fn migration_settings(service: Part) -> &'static [Setting] {
    match service {
        Part::AuthBridge => &AUTH_MIGRATION,
        Part::TasksService => &TASKS_MIGRATION,
        Part::FinanceService => &FINANCE_MIGRATION,
        _ => &[],
    }
}

impl Value {
    fn resolve(self, environment: &Environment) -> String {
        let ports = environment.ports;
        match self {
            Self::Text(text) => text.to_owned(),
            Self::Secret(secret) => environment.secrets.get(secret).to_owned(),
            Self::Address(port) => ports.address(port),
            Self::Url(port) => ports.url(port),
            Self::PublicUrl(port) => ports.public_url(port),
            Self::Issuer => format!("{}/realms/{REALM}", ports.public_url(Port::Keycloak)),
            Self::Database {
                name,
                role,
                password,
            } => postgres::url(environment, role, password, name),
            Self::Broker { user, password } => rabbitmq::url(environment, user, password),
        }
    }
}

/// Brings the database of `service` up to date and declares the broker's topology.
pub(crate) fn migrate(context: &Context<'_>, service: Part) -> Result<()> {
    let environment = context.environment;
    let log = environment.log(&format!("{service}-migrate"));
    let extra = migration_settings(service)
        .iter()
        .map(|(name, value)| (*name, value.resolve(environment)));
    Helper::quiet(service.name(), &log).run(
        command(context, service)?.arg("migrate").envs(extra),
        "its database could not be migrated",
    )
}

pub(super) fn start(context: &Context<'_>, service: Part) -> Result<()> {
    let mut command = command(context, service)?;
    process::start(
        context.environment,
        service.name(),
        command.arg("serve"),
        Wrapping::None,
    )
}

pub(super) fn probe(environment: &Environment, api: Port) -> Probe {
    Probe::Http(format!("{}/health/ready", environment.ports.url(api)))
}

fn command(context: &Context<'_>, service: Part) -> Result<Command> {
    let mut command = clean_command(context.binary(service)?);
    let environment = context.environment;
    command
        .current_dir(environment.folder())
        .envs(variables(environment, service));
    Ok(command)
}

/// The settings of `service` as its environment variables.
pub(crate) fn variables(
    environment: &Environment,
    service: Part,
) -> impl Iterator<Item = (&'static str, String)> {
    settings(service)
        .iter()
        .map(|(name, value)| (*name, value.resolve(environment)))
}
