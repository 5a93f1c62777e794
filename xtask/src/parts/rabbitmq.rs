//! A private RabbitMQ node with the accounts of the services.

use std::{fs, path::PathBuf, process::Command};

use anyhow::Result;
use serde_json::{Value, json};

use super::{Context, clean_command};
use crate::{
    debian,
    environment::{Broker, Environment},
    facts::{BROKER_ACCOUNTS, RABBITMQ_FRAME_MAX},
    files,
    ports::Port,
    probe::Probe,
    process::{self, Wrapping},
    secrets::Secret,
};

/// The account that declares exchanges and queues; the services' own may not.
pub(crate) const ADMINISTRATOR: &str = "setup";

/// The URL of the broker as `user`.
pub(crate) fn url(environment: &Environment, user: &str, secret: Secret) -> String {
    format!(
        "amqp://{user}:{}@{}/%2f",
        environment.secrets.get(secret),
        environment.ports.address(Port::Amqp)
    )
}

/// Ready means: booted, definitions imported, no memory or disk alarm, and the port of AMQP is open, which
/// comes last.
pub(super) fn probe(environment: &Environment) -> Probe {
    let has_no_alarm = Probe::HttpAs {
        url: format!(
            "{}/api/health/checks/local-alarms",
            environment.ports.url(Port::RabbitmqManagement)
        ),
        user: ADMINISTRATOR,
        password: environment.secrets.get(Secret::BrokerSetup).to_owned(),
    };
    Probe::All(vec![
        has_no_alarm,
        Probe::Tcp(environment.ports.of(Port::Amqp)),
    ])
}

pub(super) fn start_epmd(context: &Context<'_>) -> Result<()> {
    let environment = context.environment;
    let mut command = clean_command("epmd");
    command.args([
        "-address",
        "127.0.0.1",
        "-port",
        &environment.ports.of(Port::Epmd).to_string(),
    ]);
    process::start(environment, "epmd", &mut command, Wrapping::None)
}

pub(super) fn start(context: &Context<'_>) -> Result<()> {
    let environment = context.environment;
    let folder = folder(environment);
    files::create_folder(&folder)?;
    files::write(
        &folder.join("definitions.json"),
        &definitions(environment).to_string(),
        0o600,
    )?;
    files::write(
        &folder.join("rabbitmq.conf"),
        &configuration(environment),
        0o600,
    )?;
    files::write(&folder.join("advanced.config"), "[].\n", 0o600)?;
    files::write(
        &folder.join("enabled_plugins"),
        "[rabbitmq_management,rabbitmq_prometheus].\n",
        0o600,
    )?;
    files::write(&folder.join("rabbitmq-env.conf"), "", 0o600)?;
    // Left by a node that was killed; a new one refuses to start beside it.
    fs::remove_file(folder.join("node.pid")).ok();
    let mut command = program(context, "rabbitmq-server");
    process::start(environment, "rabbitmq", &mut command, Wrapping::None)
}

/// One of the broker's own tools, which asks the running node.
pub(crate) fn control(context: &Context<'_>) -> Command {
    program(context, "rabbitmqctl")
}

/// The folder of the node as it lies for us; the node sees it at the same path in its own Debian.
fn folder(environment: &Environment) -> PathBuf {
    let seen = seen_folder(environment);
    match environment.broker() {
        Broker::Installed => seen,
        Broker::Four => debian::outside(environment, &seen),
    }
}

fn seen_folder(environment: &Environment) -> PathBuf {
    environment.data("rabbitmq")
}

/// Deletes the node's data, wherever it lies.
///
/// # Errors
/// When the folder cannot be deleted.
pub(crate) fn forget(environment: &Environment) -> Result<()> {
    files::remove_folder(&folder(environment))
}

/// A program of RabbitMQ with the settings of this node.
fn program(context: &Context<'_>, name: &str) -> Command {
    let environment = context.environment;
    let path = context.programs.rabbitmq_bin.join(name);
    let mut command = match environment.broker() {
        Broker::Installed => clean_command(path),
        Broker::Four => {
            let mut command = clean_command("unshare");
            command.args(debian::inside(environment)).arg(path);
            command
        }
    };
    let port = |port: Port| environment.ports.of(port).to_string();
    let seen = seen_folder(environment);
    command
        .current_dir(folder(environment))
        .env("HOME", &seen)
        // The server then replaces the script, so that the process id is the broker's own.
        .env("RUNNING_UNDER_SYSTEMD", "true")
        .env(
            "RABBITMQ_NODENAME",
            format!("task-exchange-{}@localhost", environment.name.folder()),
        )
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", port(Port::Amqp))
        .env("RABBITMQ_DIST_PORT", port(Port::RabbitmqDistribution))
        .env("ERL_EPMD_PORT", port(Port::Epmd))
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_CTL_DIST_PORT_MIN", port(Port::RabbitmqToolsFirst))
        .env("RABBITMQ_CTL_DIST_PORT_MAX", port(Port::RabbitmqToolsLast))
        .env("RABBITMQ_MNESIA_BASE", seen.join("data"))
        .env("RABBITMQ_LOG_BASE", seen.join("log"))
        .env("RABBITMQ_PID_FILE", seen.join("node.pid"))
        .env(
            "RABBITMQ_ENABLED_PLUGINS_FILE",
            seen.join("enabled_plugins"),
        )
        .env("RABBITMQ_CONFIG_FILE", seen.join("rabbitmq.conf"))
        .env(
            "RABBITMQ_ADVANCED_CONFIG_FILE",
            seen.join("advanced.config"),
        )
        .env("RABBITMQ_CONF_ENV_FILE", seen.join("rabbitmq-env.conf"))
        .env("RABBITMQ_GENERATED_CONFIG_DIR", seen.join("generated"))
        .env("RABBITMQ_SCHEMA_DIR", seen.join("schema"))
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1}",
        );
    command
}

fn configuration(environment: &Environment) -> String {
    let address = |port: Port| environment.ports.address(port);
    let number = |port: Port| environment.ports.of(port);
    format!(
        "listeners.tcp.1 = {amqp}\n\
         management.tcp.ip = 127.0.0.1\n\
         management.tcp.port = {management}\n\
         prometheus.tcp.ip = 127.0.0.1\n\
         prometheus.tcp.port = {prometheus}\n\
         frame_max = {RABBITMQ_FRAME_MAX}\n\
         disk_free_limit.absolute = 1GB\n\
         vm_memory_high_watermark.relative = 0.3\n\
         load_definitions = {definitions}\n\
         log.console = true\n\
         log.console.level = info\n\
         log.file = false\n",
        amqp = address(Port::Amqp),
        management = number(Port::RabbitmqManagement),
        prometheus = number(Port::RabbitmqPrometheus),
        definitions = seen_folder(environment).join("definitions.json").display(),
    )
}

/// The accounts: `setup` may do everything, a service only write to its own exchanges, read its own
/// queues, and read the archives of those it listens to (DESIGN.md section 5).
fn definitions(environment: &Environment) -> Value {
    let account = |name: &str, secret: Secret, tags: &str| json!({ "name": name, "password": environment.secrets.get(secret), "tags": tags });
    let permission = |user: &str, configure: &str, write: &str, read: &str| json!({ "user": user, "vhost": "/", "configure": configure, "write": write, "read": read });
    let mut permissions = vec![permission(ADMINISTRATOR, ".*", ".*", ".*")];
    permissions.extend(
        BROKER_ACCOUNTS.map(|account| permission(account.name, "^$", account.write, account.read)),
    );
    json!({
        "vhosts": [{ "name": "/" }],
        "users": [
            account(ADMINISTRATOR, Secret::BrokerSetup, "administrator"),
            account("tasks", Secret::BrokerTasks, ""),
            account("finance", Secret::BrokerFinance, ""),
            account("auth", Secret::BrokerAuth, ""),
        ],
        "permissions": permissions,
    })
}
