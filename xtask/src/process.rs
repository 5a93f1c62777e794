//! Servers as processes: started into the background, remembered by id, stopped by id.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

use crate::{command::new_log, environment::Environment, failure::Failure, files, interrupt};

/// How long a wrapper script may take until its server runs.
const UNWRAP_LIMIT: Duration = Duration::from_secs(20);

/// How long whoever has to collect a dead process may take.
const COLLECTION_LIMIT: Duration = Duration::from_secs(3);

/// A running process, recognised by its id and the moment it started: ids are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Clock ticks since the machine started, from `/proc/PID/stat`.
    started: u64,
}

/// Whether the command becomes the server itself or stays in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// The command is the server, or replaces itself with it.
    None,
    /// The command is a script that waits for the server, its only child with this name.
    Script(&'static str),
}

impl Process {
    fn of(pid: i32) -> Option<Self> {
        let (state, started) = stat(pid)?;
        (state != 'Z' || has_threads(pid)).then_some(Self { pid, started })
    }

    /// Whether the process still runs.
    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends `signal`, waits up to `patience`, then kills.
    pub(crate) fn stop(self, signal: Signal, patience: Duration) -> Result<()> {
        for (signal, patience) in [
            (signal, patience),
            (Signal::SIGKILL, Duration::from_secs(10)),
        ] {
            if !self.is_alive() {
                return Ok(());
            }
            match kill(Pid::from_raw(self.pid), signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => bail!("process {} cannot be stopped: {error}", self.pid),
            }
            let asked = Instant::now();
            while asked.elapsed() < patience && self.is_alive() {
                thread::sleep(Duration::from_millis(30));
            }
        }
        if self.is_alive() {
            bail!("process {} does not end", self.pid);
        }
        Ok(())
    }
}

/// The state letter and the start of a process.
fn stat(pid: i32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything, so count from the last bracket.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Whether threads run beside the first one: it may be dead, and the others still hold memory and ports.
fn has_threads(pid: i32) -> bool {
    fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|threads| threads.count() > 1)
}

/// Whether `pid` is dead and nobody has collected it, even a moment later.
pub(crate) fn stays_uncollected(pid: i32) -> bool {
    let asked = Instant::now();
    while stat(pid).is_some() && Process::of(pid).is_none() {
        if asked.elapsed() > COLLECTION_LIMIT {
            return true;
        }
        thread::sleep(Duration::from_millis(30));
    }
    false
}

/// The processes that `pid` has started.
fn children(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let pids = text.split_whitespace();
    pids.filter_map(|pid| pid.parse().ok()).collect()
}

fn run_file(environment: &Environment, part: &str) -> PathBuf {
    environment
        .folder()
        .join("run")
        .join(format!("{part}.json"))
}

/// The process of a part as last started, alive or not; none when it was stopped on purpose.
pub(crate) fn remembered(environment: &Environment, part: &str) -> Option<Process> {
    let text = fs::read_to_string(run_file(environment, part)).ok()?;
    serde_json::from_str(&text).ok()
}

/// The process of a part if it runs.
pub(crate) fn running(environment: &Environment, part: &str) -> Option<Process> {
    remembered(environment, part).filter(|process| process.is_alive())
}

/// Starts a server into the background, its output in the log of the part.
///
/// It gets a process group of its own, so that Ctrl-C in the terminal does not reach it, and no
/// variable but `PATH`, `HOME`, `LANG` and what `command` sets: a setting of the person who runs this must not
/// leak into it.
pub(crate) fn start(
    environment: &Environment,
    part: &str,
    command: &mut Command,
    wrapping: Wrapping,
) -> Result<()> {
    let log = environment.log(part);
    let output = new_log(&log)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .with_context(|| {
            format!(
                "{part}: {} cannot be started",
                command.get_program().display()
            )
        })?;
    let wrapper = i32::try_from(child.id())?;
    // Collected as soon as it ends: a dead PostgreSQL that is not refuses the start of the next one.
    thread::spawn(move || child.wait());
    let pid = match wrapping {
        Wrapping::None => wrapper,
        Wrapping::Script(name) => unwrap(part, environment, wrapper, name)?,
    };
    let Some(process) = Process::of(pid) else {
        bail!(Failure::new(part, "it ended at once").with_log(&log));
    };
    files::write(
        &run_file(environment, part),
        &serde_json::to_string(&process)?,
        0o644,
    )
}

/// Waits until the wrapper script has started the server called `name`.
fn unwrap(part: &str, environment: &Environment, wrapper: i32, name: &str) -> Result<i32> {
    let asked = Instant::now();
    let script = Process::of(wrapper);
    while asked.elapsed() < UNWRAP_LIMIT && script.is_some_and(Process::is_alive) {
        let server = children(wrapper).into_iter().find(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|comm| comm.trim_end() == name)
        });
        if let Some(server) = server {
            return Ok(server);
        }
        if let Err(stopped) = interrupt::tick() {
            kill(Pid::from_raw(wrapper), Signal::SIGKILL).ok();
            return Err(stopped);
        }
    }
    kill(Pid::from_raw(wrapper), Signal::SIGKILL).ok();
    bail!(Failure::new(part, "it did not start").with_log(&environment.log(part)))
}

/// Stops the process of a part and forgets it; says whether it ran.
///
/// It is forgotten first, so that an `up` that watches knows the end was wanted.
pub(crate) fn stop(
    environment: &Environment,
    part: &str,
    signal: Signal,
    patience: Duration,
) -> Result<bool> {
    let Some(process) = remembered(environment, part) else {
        return Ok(false);
    };
    fs::remove_file(run_file(environment, part))
        .with_context(|| format!("{part}: cannot forget its process"))?;
    let ran = process.is_alive();
    process
        .stop(signal, patience)
        .with_context(|| format!("{part}: cannot be stopped"))?;
    Ok(ran)
}

/// Kills the process of a part and its children at once, as a crash of the machine would; says
/// whether it ran. The part is forgotten as by [`stop`].
pub(crate) fn crash(environment: &Environment, part: &str) -> Result<bool> {
    let Some(process) = running(environment, part) else {
        return Ok(false);
    };
    for child in children(process.pid) {
        // Fails only when it has ended by itself.
        kill(Pid::from_raw(child), Signal::SIGKILL).ok();
    }
    stop(environment, part, Signal::SIGKILL, Duration::from_secs(10))
}
