//! A private PostgreSQL cluster: one database and two roles for each service.

use std::{
    fs,
    os::unix::fs::chown,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use nix::unistd::{Uid, User};

use super::{Context, Part, clean_command};
use crate::{
    command::Helper,
    console,
    environment::Environment,
    failure::Failure,
    files,
    ports::Port,
    probe::Probe,
    process::{self, Wrapping},
    secrets::Secret,
};

/// The user that the server runs as when this tool runs as root, because it refuses to be root.
const SERVER_USER: &str = "postgres";

/// A database with its owner, who migrates, and the role of the running service, if it has one.
struct Database {
    name: &'static str,
    owner: Secret,
    application: Option<(&'static str, Secret)>,
}

const DATABASES: [Database; 4] = [
    Database {
        name: "tasks",
        owner: Secret::PostgresTasks,
        application: Some(("tasks_app", Secret::PostgresTasksApp)),
    },
    Database {
        name: "finance",
        owner: Secret::PostgresFinance,
        application: Some(("finance_app", Secret::PostgresFinanceApp)),
    },
    Database {
        name: "auth",
        owner: Secret::PostgresAuth,
        application: Some(("auth_app", Secret::PostgresAuthApp)),
    },
    Database {
        name: "keycloak",
        owner: Secret::PostgresKeycloak,
        application: None,
    },
];

/// The URL of `database` as `role`.
pub(crate) fn url(environment: &Environment, role: &str, secret: Secret, database: &str) -> String {
    format!(
        "postgres://{role}:{}@{}/{database}",
        environment.secrets.get(secret),
        environment.ports.address(Port::Postgres)
    )
}

/// The URL of every database as its owner.
pub(crate) fn owner_urls(
    environment: &Environment,
) -> impl Iterator<Item = (&'static str, String)> {
    DATABASES.iter().map(|database| {
        (
            database.name,
            url(environment, database.name, database.owner, database.name),
        )
    })
}

/// Ready means that it accepts connections, which it does not while it recovers.
pub(super) fn probe(environment: &Environment) -> Probe {
    let port = environment.ports.of(Port::Postgres);
    Probe::Program {
        path: "pg_isready".into(),
        arguments: vec![
            "--quiet".to_owned(),
            "--host=127.0.0.1".to_owned(),
            format!("--port={port}"),
        ],
    }
}

pub(super) fn start(context: &Context<'_>) -> Result<()> {
    let environment = context.environment;
    let folder = environment.data("postgres");
    files::create_folder(&folder)?;
    let runner = Runner::for_folder(&folder)?;
    let data = folder.join("data");
    if !data.is_dir() {
        console::progress("postgres", "creating the cluster");
        initialise(context, &runner, &folder)?;
    }
    forget_dead_server(&data)?;
    let mut command = runner.command(&context.programs.postgres_bin.join("postgres"));
    command.arg("-D").arg(&data);
    let port = environment.ports.of(Port::Postgres);
    for setting in [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        // A path in a deep checkout would be too long for a socket, and TCP is enough.
        "unix_socket_directories=".to_owned(),
        "max_connections=300".to_owned(),
        "timezone=UTC".to_owned(),
    ] {
        command.arg("-c").arg(setting);
    }
    process::start(environment, "postgres", &mut command, Wrapping::None)
}

/// `PostgreSQL` takes a server that was killed for running until somebody has collected its process; where
/// nobody does, its lock is taken away. Its children have ended by then.
fn forget_dead_server(data: &Path) -> Result<()> {
    let lock = data.join("postmaster.pid");
    let text = fs::read_to_string(&lock).unwrap_or_default();
    let pid = text.lines().next().and_then(|pid| pid.trim().parse().ok());
    if pid.is_some_and(process::stays_uncollected) {
        fs::remove_file(&lock).context("the lock of a dead server cannot be removed")?;
    }
    Ok(())
}

/// Creates the cluster beside its final place, so that a half-made one is never used.
fn initialise(context: &Context<'_>, runner: &Runner, folder: &Path) -> Result<()> {
    let unfinished = folder.join("data.unfinished");
    files::remove_folder(&unfinished)?;
    let password_file = folder.join("password");
    files::write(
        &password_file,
        context.environment.secrets.get(Secret::PostgresSuperuser),
        0o600,
    )?;
    runner.hand_over(&password_file)?;
    let mut command = runner.command(&context.programs.postgres_bin.join("initdb"));
    command.args([
        "--auth=scram-sha-256",
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]);
    command
        .arg("--pwfile")
        .arg(&password_file)
        .arg("--pgdata")
        .arg(&unfinished);
    let helper = Helper::quiet("postgres", &context.environment.log("postgres-initdb"));
    let made = helper.run(&mut command, "the cluster could not be created");
    fs::remove_file(&password_file)?;
    made?;
    fs::rename(&unfinished, folder.join("data"))?;
    Ok(())
}

/// Creates what is missing of databases and roles, and sets the passwords.
///
/// Owners may create databases: tests make one for each test.
pub(super) fn create_databases(context: &Context<'_>) -> Result<()> {
    let secrets = &context.environment.secrets;
    let mut script = Vec::new();
    let mut role = |name: &str, options: &str, secret: Secret| {
        script.push(format!(
            "SELECT 'CREATE ROLE {name}' WHERE to_regrole('{name}') IS NULL \\gexec"
        ));
        script.push(format!(
            "ALTER ROLE {name} LOGIN {options} PASSWORD '{}';",
            secrets.get(secret)
        ));
    };
    for database in &DATABASES {
        role(database.name, "CREATEDB", database.owner);
        if let Some((application, secret)) = database.application {
            role(application, "NOCREATEDB", secret);
        }
    }
    for Database {
        name, application, ..
    } in &DATABASES
    {
        script.push(format!(
            "SELECT 'CREATE DATABASE {name} OWNER {name}' \
             WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec"
        ));
        script.push(format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC;"));
        if let Some((application, _)) = application {
            script.push(format!(
                "GRANT CONNECT ON DATABASE {name} TO {application};"
            ));
            // So that the owner can look at the data as the service sees it: SET ROLE.
            script.push(format!("GRANT {application} TO {name};"));
        }
    }
    psql(context, &script.join("\n"))
}

fn psql(context: &Context<'_>, script: &str) -> Result<()> {
    let environment = context.environment;
    let file = environment.data("postgres").join("databases.sql");
    files::write(&file, script, 0o600)?;
    let mut command = clean_command(context.programs.postgres_bin.join("psql"));
    command
        .args([
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            "--host=127.0.0.1",
            "--username=postgres",
        ])
        .arg(format!("--port={}", environment.ports.of(Port::Postgres)))
        .arg("--file")
        .arg(&file)
        .arg("postgres")
        .env(
            "PGPASSWORD",
            environment.secrets.get(Secret::PostgresSuperuser),
        );
    let helper = Helper::quiet(
        Part::Postgres.name(),
        &environment.log("postgres-databases"),
    );
    let made = helper.run(&mut command, "the databases could not be created");
    fs::remove_file(&file)?;
    made
}

/// Runs PostgreSQL's programs as somebody who is not root.
struct Runner {
    /// Arguments of setpriv before the program; empty when we are not root.
    drop_rights: Vec<String>,
    owner: Option<User>,
}

impl Runner {
    /// Finds a way to run as a user who can work in `folder`, and gives the folder to that user.
    ///
    /// A checkout below /root cannot be entered by others; then the server gets the one extra
    /// right to search folders.
    fn for_folder(folder: &Path) -> Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Self {
                drop_rights: Vec::new(),
                owner: None,
            });
        }
        let Some(user) = User::from_name(SERVER_USER)? else {
            bail!(Failure::new(
                "postgres",
                "the user postgres is missing: reinstall the package postgresql-common"
            ));
        };
        let plain = ["--reuid=postgres", "--regid=postgres", "--init-groups"]
            .map(str::to_owned)
            .to_vec();
        let searching = ["no_setuid_fixup", "dac_read_search", "dac_read_search"];
        let options = ["--securebits", "--inh-caps", "--ambient-caps"];
        let extra = options
            .iter()
            .zip(searching)
            .map(|(option, value)| format!("{option}=+{value}"));
        let with_search: Vec<String> = plain.iter().cloned().chain(extra).collect();
        for drop_rights in [plain, with_search] {
            let runner = Self {
                drop_rights,
                owner: Some(user.clone()),
            };
            runner.hand_over(folder)?;
            let test = runner
                .command(Path::new("/usr/bin/test"))
                .arg("-x")
                .arg(folder)
                .stderr(Stdio::null())
                .status();
            if test.is_ok_and(|status| status.success()) {
                return Ok(runner);
            }
        }
        bail!(Failure::new(
            "postgres",
            format!(
                "the user postgres cannot enter {}: move the checkout to a folder that everybody may enter, such as /srv",
                folder.display()
            )
        ))
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = if self.drop_rights.is_empty() {
            clean_command(program)
        } else {
            let mut command = clean_command("setpriv");
            command
                .args(&self.drop_rights)
                .arg(program)
                .env("HOME", "/");
            command
        };
        command.current_dir("/");
        command
    }

    fn hand_over(&self, path: &Path) -> Result<()> {
        let Some(user) = &self.owner else {
            return Ok(());
        };
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .with_context(|| format!("cannot give {} to the user {SERVER_USER}", path.display()))
    }
}
