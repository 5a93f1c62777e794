//! `environment.json`: what scripts and tests need to know about a running environment.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::{
    environment::Environment,
    facts::REALM,
    files,
    parts::{
        BROKER_ADMINISTRATOR, KEYCLOAK_ADMINISTRATOR, Part, broker_url, database_owner_urls,
        services::variables as service_variables,
    },
    people::{self, Person},
    ports::Port,
    process,
    secrets::Secret,
    state::State,
};

#[derive(Debug, Serialize)]
struct Description {
    /// As `--env` takes it.
    name: &'static str,
    tasks_url: String,
    finance_url: String,
    tasks_api_url: String,
    finance_api_url: String,
    auth_api_url: String,
    keycloak_url: String,
    realm: &'static str,
    keycloak_admin: Login,
    mail_url: String,
    amqp_url: String,
    rabbitmq_management_url: String,
    databases: BTreeMap<&'static str, String>,
    clients: BTreeMap<&'static str, String>,
    pids: BTreeMap<&'static str, i32>,
    people: Vec<Person>,
    logs: PathBuf,
    services: BTreeMap<&'static str, ServiceProgram>,
}

/// How to run a service by hand.
#[derive(Debug, Serialize)]
struct ServiceProgram {
    program: PathBuf,
    variables: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct Login {
    username: &'static str,
    password: String,
}

/// Writes it anew, with the processes that run now.
pub(crate) fn write(environment: &Environment) -> Result<()> {
    let ports = environment.ports;
    let secret = |secret: Secret| environment.secrets.get(secret).to_owned();
    let origin = ports.public_url(Port::Nginx);
    let description = Description {
        name: environment.name.folder(),
        tasks_url: format!("{origin}/tasks"),
        finance_url: format!("{origin}/finance"),
        tasks_api_url: ports.url(Port::TasksApi),
        finance_api_url: ports.url(Port::FinanceApi),
        auth_api_url: ports.url(Port::AuthApi),
        keycloak_url: ports.public_url(Port::Keycloak),
        realm: REALM,
        keycloak_admin: Login {
            username: KEYCLOAK_ADMINISTRATOR,
            password: secret(Secret::KeycloakAdmin),
        },
        mail_url: ports.public_url(Port::MailInbox),
        amqp_url: broker_url(environment, BROKER_ADMINISTRATOR, Secret::BrokerSetup),
        rabbitmq_management_url: ports.public_url(Port::RabbitmqManagement),
        databases: database_owner_urls(environment).collect(),
        clients: BTreeMap::from([
            ("tasks-m2m", secret(Secret::TasksMachineClient)),
            ("finance-m2m", secret(Secret::FinanceMachineClient)),
        ]),
        pids: Part::ALL
            .into_iter()
            .filter_map(|part| Some((part.name(), process::running(environment, part.name())?.pid)))
            .collect(),
        people: people::of(environment)?,
        logs: environment.logs(),
        services: services(environment)?,
    };
    files::write(
        &environment.description(),
        &serde_json::to_string_pretty(&description)?,
        0o600,
    )
}

/// None when the services were never built.
fn services(environment: &Environment) -> Result<BTreeMap<&'static str, ServiceProgram>> {
    let state = State::load(&environment.folder())?;
    let folder = state.and_then(|state| state.binaries);
    let describe = |service: Part| {
        let program = folder.as_ref()?.join(service.name());
        let variables = service_variables(environment, service).collect();
        Some((service.name(), ServiceProgram { program, variables }))
    };
    Ok(Part::SERVICES.into_iter().filter_map(describe).collect())
}

/// Takes it away, so that nobody believes the environment to be up.
pub(crate) fn remove(environment: &Environment) {
    // It may not be there.
    fs::remove_file(environment.description()).ok();
}

/// The table at the end of `up`: what, address, login.
pub(crate) fn table(environment: &Environment) -> Result<String> {
    let ports = environment.ports;
    let origin = ports.public_url(Port::Nginx);
    let people = people::of(environment)?;
    let mut rows = vec![
        ["what".to_owned(), "address".to_owned(), "login".to_owned()],
        [
            "task board".to_owned(),
            format!("{origin}/tasks"),
            "any person below".to_owned(),
        ],
        [
            "finance".to_owned(),
            format!("{origin}/finance"),
            "any person below".to_owned(),
        ],
        [
            "e-mail inbox".to_owned(),
            ports.public_url(Port::MailInbox),
            "none".to_owned(),
        ],
        [
            "Keycloak console".to_owned(),
            format!("{}/admin/", ports.public_url(Port::Keycloak)),
            format!(
                "{KEYCLOAK_ADMINISTRATOR} / {}",
                environment.secrets.get(Secret::KeycloakAdmin)
            ),
        ],
        [
            "RabbitMQ pages".to_owned(),
            ports.public_url(Port::RabbitmqManagement),
            format!(
                "{BROKER_ADMINISTRATOR} / {}",
                environment.secrets.get(Secret::BrokerSetup)
            ),
        ],
    ];
    rows.extend(people.iter().map(|person| {
        [
            format!("person: {}", person.username),
            person.roles.join(", "),
            format!("{} / {}", person.username, person.password),
        ]
    }));
    Ok(aligned(&rows))
}

/// Columns wide enough for their longest cell, two blanks between them.
pub(crate) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..N).filter_map(width).collect();
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [
            ["a".to_owned(), "b".to_owned()],
            ["long".to_owned(), "c".to_owned()],
        ];
        assert_eq!(aligned(&rows), "a     b\nlong  c");
    }
}
