//! A Keycloak of a test's own, for features that the product's is built without.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::StatusCode;
use tempfile::TempDir;

use super::{
    environment::{Login, variable},
    http,
    keycloak::Server,
    waiting::within,
};

/// It builds itself anew first.
const DEADLINE: Duration = Duration::from_mins(3);

/// Where `cargo xtask test` says what the product's was built as, and the Java that it runs on.
const BUILT: &str = "TASK_EXCHANGE_KEYCLOAK";
const JAVA_HOME: &str = "TASK_EXCHANGE_JAVA_HOME";

/// Little memory, and no time spent on code that runs for a minute only.
const HEAP: &str = "-Xms64m -Xmx320m";
const COMPILER: &str = "-XX:TieredStopAtLevel=1";

/// Where the programs are that its script uses.
const SCRIPT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Its process, and a folder that goes with it; its data is in its memory.
#[derive(Debug)]
pub(crate) struct OwnKeycloak {
    pub(crate) server: Server,
    home: TempDir,
    process: Child,
}

impl OwnKeycloak {
    /// Builds one with a feature and waits until it is ready.
    pub(crate) async fn start(feature: &str) -> Result<Self> {
        let home = TempDir::new()?;
        copy(Path::new(&variable(BUILT)), home.path()).await?;
        let (port, management_port) = free_ports()?;
        let administrator = Login {
            username: "admin".to_owned(),
            password: "admin".to_owned(),
        };
        let log = File::create(log(&home))?;
        let process = Command::new(home.path().join("bin/kc.sh"))
            .arg("start-dev")
            .arg(format!("--features={feature}"))
            .args(["--db=dev-mem", "--cache=local", "--health-enabled=true"])
            .arg("--http-host=127.0.0.1")
            .arg(format!("--http-port={port}"))
            .arg(format!("--http-management-port={management_port}"))
            .env_clear()
            .env("PATH", SCRIPT_PATH)
            .env("JAVA_HOME", variable(JAVA_HOME))
            .env("JAVA_OPTS_KC_HEAP", HEAP)
            .env("JAVA_OPTS_APPEND", COMPILER)
            .env("KC_BOOTSTRAP_ADMIN_USERNAME", &administrator.username)
            .env("KC_BOOTSTRAP_ADMIN_PASSWORD", &administrator.password)
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let url = format!("http://127.0.0.1:{port}");
        let mut own = Self {
            server: Server { url, administrator },
            home,
            process,
        };
        own.wait_until_ready(management_port).await?;
        Ok(own)
    }

    async fn wait_until_ready(&mut self, management_port: u16) -> Result<()> {
        let health = format!("http://127.0.0.1:{management_port}/health/ready");
        let client = http::client()?;
        let process = &mut self.process;
        let log = log(&self.home);
        within(DEADLINE, "Keycloak is ready", || {
            let ended = process.try_wait();
            let asking = client.get(&health).send();
            let log = &log;
            async move {
                let said = || fs::read_to_string(log).unwrap_or_default();
                ensure!(ended?.is_none(), "Keycloak ended:\n{}", said());
                let answer = asking.await;
                Ok(answer
                    .is_ok_and(|answer| answer.status() == StatusCode::OK)
                    .then_some(()))
            }
        })
        .await
    }
}

impl Drop for OwnKeycloak {
    fn drop(&mut self) {
        // The script passes the signal on to the Java that builds, and becomes the Java that serves.
        if let Ok(pid) = i32::try_from(self.process.id()) {
            kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
        }
        self.process.wait().ok();
    }
}

fn log(home: &TempDir) -> PathBuf {
    home.path().join("log")
}

async fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = tokio::process::Command::new("cp")
        .args(["--recursive", "--reflink=auto"])
        .arg(from.join("."))
        .arg(to)
        .status()
        .await?;
    ensure!(status.success(), "{} cannot be copied", from.display());
    Ok(())
}

/// Two ports that nobody listens on.
fn free_ports() -> Result<(u16, u16)> {
    let bind = || TcpListener::bind(("127.0.0.1", 0)).context("no port is free");
    let (one, other) = (bind()?, bind()?);
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}
