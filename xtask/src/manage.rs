//! Single parts of a running environment: start, stop, restart, status, logs.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::{
    console, description,
    environment::Environment,
    files,
    parts::{Context, Part},
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
    if action != Action::Start && part.stop(environment)? {
        console::progress(part.name(), "stopped");
    }
    let started = if action == Action::Stop {
        Ok(())
    } else {
        let programs = Programs::find()?;
        part.start(&Context {
            environment,
            programs: &programs,
            binaries: state.binaries,
        })
    };
    if environment.description().exists() {
        description::write(environment)?;
    }
    started
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
