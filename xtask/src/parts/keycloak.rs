//! A private Keycloak: its own copy of the built tree, the realm and the theme of this checkout.

use std::{fs, os::unix::fs::symlink, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use super::{Context, Part, clean_command};
use crate::{
    environment::Environment,
    facts::{DEMO_PASSWORD, REALM},
    files, keycloak_tree,
    ports::Port,
    process::{self, Wrapping},
    secrets::Secret,
};

/// The user of the master realm that `up` prints.
pub(crate) const ADMINISTRATOR: &str = "admin";

/// Enough for the demo realm and for the tests on a small machine.
const HEAP: &str = "-Xms64m -Xmx384m";

pub(super) fn start(context: &Context<'_>) -> Result<()> {
    let environment = context.environment;
    let home = home(environment);
    if !home.is_dir() {
        keycloak_tree::copy_to(environment, &home)?;
    }
    install_realm_and_theme(environment)?;
    let ports = environment.ports;
    let mut command = clean_command(home.join("bin/kc.sh"));
    command
        .args(["start", "--optimized", "--import-realm"])
        .current_dir(&home)
        .env("JAVA_HOME", &context.programs.java_home)
        .env("JAVA_OPTS_KC_HEAP", HEAP)
        .env(
            "KC_DB_URL",
            format!(
                "jdbc:postgresql://{}/keycloak",
                ports.address(Port::Postgres)
            ),
        )
        .env("KC_DB_USERNAME", "keycloak")
        .env(
            "KC_DB_PASSWORD",
            environment.secrets.get(Secret::PostgresKeycloak),
        )
        // One node: nobody to discover on the network.
        .env("KC_CACHE", "local")
        .env("KC_DB_POOL_MAX_SIZE", "20")
        .env("KC_HOSTNAME", ports.public_url(Port::Keycloak))
        .env("KC_HTTP_ENABLED", "true")
        .env("KC_HTTP_HOST", "127.0.0.1")
        .env("KC_HTTP_PORT", ports.of(Port::Keycloak).to_string())
        .env(
            "KC_HTTP_MANAGEMENT_PORT",
            ports.of(Port::KeycloakManagement).to_string(),
        )
        .env("KC_BOOTSTRAP_ADMIN_USERNAME", ADMINISTRATOR)
        .env(
            "KC_BOOTSTRAP_ADMIN_PASSWORD",
            environment.secrets.get(Secret::KeycloakAdmin),
        );
    command.envs(realm_placeholders(environment));
    process::start(
        environment,
        "keycloak",
        &mut command,
        Wrapping::Script("java"),
    )
}

/// `auth-bridge realm`, which compares this realm with its file, with the rights of the administrator.
///
/// # Errors
/// When the services are not built.
pub(crate) fn realm_tool(context: &Context<'_>, action: &str) -> Result<Command> {
    let environment = context.environment;
    let mut command = clean_command(context.binary(Part::AuthBridge)?);
    command
        .args(["realm", action, "--file"])
        .arg(realm_file(environment))
        .current_dir(environment.folder())
        .envs(realm_placeholders(environment))
        .env("KEYCLOAK_URL", environment.ports.public_url(Port::Keycloak))
        .env("KEYCLOAK_ADMIN_USERNAME", ADMINISTRATOR)
        .env(
            "KEYCLOAK_ADMIN_SECRET",
            environment.secrets.get(Secret::KeycloakAdmin),
        );
    Ok(command)
}

/// The realm file of this checkout.
fn realm_file(environment: &Environment) -> PathBuf {
    let name = format!("{REALM}-realm.json");
    environment.checkout.join("keycloak/realm").join(name)
}

/// Its own folder, a new one for another version; what must be kept is in the database.
fn home(environment: &Environment) -> PathBuf {
    environment.data("keycloak").join(keycloak_tree::name())
}

/// What stands for the `${NAME}` of the realm file.
fn realm_placeholders(environment: &Environment) -> [(&'static str, String); 9] {
    let secret = |secret: Secret| environment.secrets.get(secret).to_owned();
    [
        ("PUBLIC_ORIGIN", environment.ports.public_url(Port::Nginx)),
        ("DEMO_PASSWORD", DEMO_PASSWORD.to_owned()),
        ("SMTP_HOST", "127.0.0.1".to_owned()),
        ("SMTP_PORT", environment.ports.of(Port::Smtp).to_string()),
        ("TASKS_WEB_SECRET", secret(Secret::TasksWebClient)),
        ("FINANCE_WEB_SECRET", secret(Secret::FinanceWebClient)),
        ("TASKS_M2M_SECRET", secret(Secret::TasksMachineClient)),
        ("FINANCE_M2M_SECRET", secret(Secret::FinanceMachineClient)),
        ("AUTH_BRIDGE_SECRET", secret(Secret::AuthBridgeClient)),
    ]
}

/// The realm is imported once; the theme is linked, so that a change shows after a restart, once Keycloak's
/// compressed copies of it are gone.
fn install_realm_and_theme(environment: &Environment) -> Result<()> {
    let home = home(environment);
    let import = home.join("data/import");
    files::create_folder(&import)?;
    let realm = realm_file(environment);
    let name = realm.file_name().context("the realm file has a name")?;
    fs::copy(&realm, import.join(name)).context("the realm file cannot be copied")?;
    files::remove_folder(&home.join("data/tmp/kc-gzip-cache"))?;
    let theme = home.join("themes/tx");
    fs::remove_file(&theme).ok();
    symlink(environment.checkout.join("keycloak/theme/tx"), &theme)
        .context("the login theme cannot be linked")
}
