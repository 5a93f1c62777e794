//! The real services as processes of their own, on the databases of this run.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::Client;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{databases::FreshDatabase, environment::Environment, http};

/// How long a process may take to become ready or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A service that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tasks,
    Finance,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tasks => "tasks-service",
            Self::Finance => "finance-service",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Tasks => "TASKS",
            Self::Finance => "FINANCE",
        }
    }
}

/// Starts services.
#[derive(Debug)]
pub(crate) struct Launcher<'a> {
    environment: &'a Environment,
    logs: PathBuf,
    client: Client,
}

/// A process; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    pub(crate) pid: u32,
    /// Where its pages, or all it has, are served.
    pub(crate) address: String,
}

impl<'a> Launcher<'a> {
    /// Logs go to `output`.
    pub(crate) fn try_new(environment: &'a Environment, output: &Path) -> Result<Self> {
        let logs = output.join("logs");
        fs::create_dir_all(&logs)?;
        Ok(Self {
            environment,
            logs,
            client: http::client()?,
        })
    }

    /// Starts replica number `replica` of a service on `database` and waits until it is ready. The
    /// first listens where the environment's own would, which is where nginx looks for it.
    pub(crate) async fn start(
        &self,
        kind: Kind,
        replica: u16,
        database: &FreshDatabase,
    ) -> Result<Process> {
        let program = self.environment.service(kind.name())?;
        let mut variables = program.variables.clone();
        let name = |setting: &str| format!("{}_{setting}", kind.prefix());
        if replica > 0 {
            for listener in ["PAGES__LISTEN", "API__LISTEN"] {
                variables.insert(name(listener), free_address()?);
            }
        }
        let get = |setting: &str| {
            let value = variables.get(&name(setting)).cloned();
            value.with_context(|| format!("{} is not set", name(setting)))
        };
        let (pages, api) = (get("PAGES__LISTEN")?, get("API__LISTEN")?);
        let url = database.instead_of(&get("DATABASE__URL")?)?;
        variables.insert(name("DATABASE__URL"), url);
        let mut command = Command::new(&program.program);
        command.arg("serve").env_clear().envs(variables);
        let label = format!("{}-{replica}", kind.name());
        self.run(label, command, pages, &format!("http://{api}/health/ready"))
            .await
    }

    /// Starts this program again as the bare handler `name` on the database at that URL.
    pub(crate) async fn start_bare(&self, name: &str, database: &str) -> Result<Process> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args([name, "--listen", &address])
            .args(["--database", database]);
        let ready = format!("http://{address}/ready");
        self.run(name.to_owned(), command, address, &ready).await
    }

    async fn run(
        &self,
        name: String,
        mut command: Command,
        address: String,
        ready: &str,
    ) -> Result<Process> {
        let log = File::create(self.logs.join(format!("{name}.log")))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let pid = child.id().context("a process that runs has an id")?;
        let mut process = Process {
            name,
            child,
            pid,
            address,
        };
        let asked = Instant::now();
        loop {
            let answer = self.client.get(ready).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(process);
            }
            if process.child.try_wait()?.is_some() || asked.elapsed() > PATIENCE {
                bail!("{} does not become ready, see its log", process.name);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Process {
    /// Asks it to end and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.pid)?), Signal::SIGTERM)?;
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(ended) => ended.map(drop).map_err(Into::into),
            Err(_elapsed) => bail!("{} does not end", self.name),
        }
    }
}

/// An address that nobody listens on at the moment.
fn free_address() -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.to_string())
}
