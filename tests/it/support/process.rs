//! A service as a process of its own, which can be killed and stopped like any other.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::{NamedTempFile, TempDir};

use super::{
    environment::environment,
    settings::{self, Places},
    waiting::until,
};

/// How many lines of a log are shown when something went wrong.
const TAIL: usize = 40;

/// Where SIGTERM, number 15, stands in a set of signals.
const SIGTERM_BIT: u64 = 1 << 14;

/// The settings of a service and, while it runs, its process.
#[derive(Debug)]
pub(crate) struct Service {
    name: &'static str,
    settings: NamedTempFile,
    folder: TempDir,
    child: Option<Child>,
}

impl Service {
    /// Prepares the built service called `name`; it does not run yet.
    pub(crate) fn new(name: &'static str, places: &Places) -> Result<Self> {
        Ok(Self {
            name,
            settings: settings::write(places)?,
            folder: TempDir::new()?,
            child: None,
        })
    }

    /// Starts the process, for the first time or again.
    pub(crate) fn start(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "{} runs already", self.name);
        let program = &environment()
            .services
            .get(self.name)
            .with_context(|| format!("{} is not built", self.name))?
            .program;
        let log = File::options().create(true).append(true).open(self.log())?;
        let child = Command::new(program)
            .env_clear()
            .current_dir(self.folder.path())
            .arg("--config")
            .arg(self.settings.path())
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        self.child = Some(child);
        Ok(())
    }

    /// Kills the process where it stands, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it runs")?;
        ensure!(
            child.try_wait()?.is_none(),
            "{} ended by itself:\n{}",
            self.name,
            self.log_tail()
        );
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Freezes the process: its connections stay, and nobody answers on them.
    pub(crate) fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets a frozen process go on.
    pub(crate) fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Asks the process to stop, and demands that it does so in good order.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        until("it listens to signals", || async { self.listens() }).await?;
        self.signal(Signal::SIGTERM)?;
        let mut child = self.child.take().context("it runs")?;
        let status = tokio::task::spawn_blocking(move || child.wait()).await??;
        ensure!(
            status.success(),
            "{} ended with {status}:\n{}",
            self.name,
            self.log_tail()
        );
        Ok(())
    }

    /// The end of what it has printed.
    pub(crate) fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    /// What each of its threads does, for a process that seems to do nothing.
    pub(crate) fn threads(&self) -> String {
        let Some(child) = &self.child else {
            return "it does not run".to_owned();
        };
        let folders = fs::read_dir(format!("/proc/{}/task", child.id()))
            .into_iter()
            .flatten();
        let thread = |folder: PathBuf| {
            let read = |file| fs::read_to_string(folder.join(file)).unwrap_or_default();
            let status = read("status");
            let state = status.lines().find(|line| line.starts_with("State:"));
            let (name, state) = (read("comm"), state.unwrap_or_default());
            format!("{} {state}, waits in {}\n", name.trim(), read("wchan"))
        };
        folders
            .flatten()
            .map(|entry| thread(entry.path()))
            .collect()
    }

    /// How often it has printed this.
    pub(crate) fn has_said(&self, words: &str) -> usize {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        text.matches(words).count()
    }

    /// Whether it has come so far in its start that it stops in good order.
    fn listens(&self) -> Result<bool> {
        let child = self.child.as_ref().context("it runs")?;
        let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
        let mut lines = status.lines();
        let caught = lines.find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.context("no signals are listed")?.trim(), 16)?;
        Ok(caught & SIGTERM_BIT != 0)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref().context("it runs")?;
        Ok(kill(Pid::from_raw(i32::try_from(child.id())?), signal)?)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Nothing is left to be done when it is gone already.
            child.kill().ok();
            child.wait().ok();
        }
    }
}
