//! Stopping: `cargo xtask down`, and what `up` does at its end.

use std::thread;

use anyhow::{Error, Result};

use crate::{
    console, description,
    environment::Environment,
    files,
    parts::{Part, forget_broker},
};

/// Who stops together, in this order: clients before their servers.
const LEVELS: [&[Part]; 3] = [
    &[Part::AuthBridge, Part::TasksService, Part::FinanceService],
    &[Part::Nginx, Part::Mail, Part::Keycloak, Part::Rabbitmq],
    &[Part::Postgres, Part::Epmd],
];

/// Stops the whole environment; its data stays.
///
/// # Errors
/// The first process that could not be stopped; the others are stopped all the same.
pub(crate) fn down(environment: &Environment) -> Result<()> {
    let _one_at_a_time = environment.lock()?;
    description::remove(environment);
    stop_parts(environment, &Part::ALL)
}

/// Stops the environment and forgets its data; downloads and tools stay.
pub(crate) fn wipe(environment: &Environment) -> Result<()> {
    down(environment)?;
    forget_broker(environment)?;
    let folder = environment.folder();
    files::remove_folder(&folder)?;
    console::progress("down", &format!("{} is gone", folder.display()));
    Ok(())
}

/// Stops these parts.
pub(crate) fn stop_parts(environment: &Environment, parts: &[Part]) -> Result<()> {
    let mut failure: Option<Error> = None;
    for level in LEVELS {
        let wanted = level.iter().filter(|part| parts.contains(part));
        let outcomes: Vec<Result<()>> = thread::scope(|scope| {
            let stopping: Vec<_> = wanted
                .map(|part| scope.spawn(|| stop(environment, *part)))
                .collect();
            stopping
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .collect()
        });
        failure = failure.or(outcomes.into_iter().find_map(Result::err));
    }
    failure.map_or(Ok(()), Err)
}

fn stop(environment: &Environment, part: Part) -> Result<()> {
    if part.stop(environment)? {
        console::progress(part.name(), "stopped");
    }
    Ok(())
}
