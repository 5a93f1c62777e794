//! Single parts of a running environment: start, stop, restart, status, logs.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::{
    command, console, description,
    environment::Environment,
    files,
    parts::{Context, Part, broker_control},
    process,
    programs::Programs,
    state::State,
};

/// What to do with one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Start,
    Stop,
    Restart,
    /// End it without a warning, as a crash would.
    Kill,
}

/// Does it, and keeps `environment.json` true.
///
/// # Errors
/// When the environment was never up, or when the part does not start.
pub(crate) fn act(environment: &Environment, part: Part, action: Action) -> Result<()> {
    let _one_at_a_time = environment.lock()?;
    let Some(state) = State::load(&environment.folder())? else {
        bail!("this environment was never up: run `cargo xtask up` first");
    };
    let ended = match action {
        Action::Start => false,
        Action::Stop | Action::Restart => part.stop(environment)?,
        Action::Kill => part.kill(environment)?,
    };
    if ended {
        console::progress(part.name(), "stopped");
    }
    let started = match action {
        Action::Stop | Action::Kill => Ok(()),
        Action::Start | Action::Restart => part.start(&Context {
            environment,
            programs: &Programs::find(environment)?,
            binaries: state.binaries,
        }),
    };
    if environment.description().exists() {
        description::write(environment)?;
    }
    started
}

/// Runs one of RabbitMQ's own tools against the broker of an environment; says whether it was content.
///
/// # Errors
/// When the tool cannot be started.
pub(crate) fn broker_tool(environment: &Environment, arguments: &[String]) -> Result<bool> {
    let programs = Programs::find(environment)?;
    let context = Context {
        environment,
        programs: &programs,
        binaries: None,
    };
    command::run_visibly(broker_control(&context).args(arguments))
}

/// A table of all parts: process, address, health.
pub(crate) fn status(environment: &Environment) -> String {
    let mut rows = vec![["part", "process", "ports", "health"].map(str::to_owned)];
    rows.extend(Part::ALL.into_iter().map(|part| {
        let process = process::remembered(environment, part.name());
        let health = match process {
            None => "stopped",
            Some(process) if !process.is_alive() => "ended by itself",
            Some(_) if part.is_healthy(environment) => "ready",
            Some(_) => "not ready",
        };
        let ports: Vec<String> = part
            .ports()
            .iter()
            .map(|port| environment.ports.of(*port).to_string())
            .collect();
        [
            part.name().to_owned(),
            process.map_or_else(String::new, |process| process.pid.to_string()),
            ports.join(" "),
            health.to_owned(),
        ]
    }));
    description::aligned(&rows)
}

/// The last `lines` lines of what a part printed.
///
/// # Errors
/// When it never ran.
pub(crate) fn log(environment: &Environment, part: Part, lines: usize) -> Result<String> {
    let path = environment.log(part.name());
    fs::metadata(&path).with_context(|| format!("{part} has no log: it never ran here"))?;
    Ok(files::tail(&path, lines).join("\n"))
}
