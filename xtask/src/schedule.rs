//! Steps that wait for each other and otherwise run side by side.

use std::{
    collections::BTreeSet,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::{Error, Result};

use crate::interrupt;

/// One step of bringing an environment up.
pub(crate) struct Step<'a> {
    name: &'static str,
    after: Vec<&'static str>,
    work: Box<dyn FnOnce() -> Result<()> + Send + 'a>,
}

impl<'a> Step<'a> {
    /// A step that starts when all steps named in `after` are done.
    pub(crate) fn new(
        name: &'static str,
        after: &[&'static str],
        work: impl FnOnce() -> Result<()> + Send + 'a,
    ) -> Self {
        Self {
            name,
            after: after.to_vec(),
            work: Box::new(work),
        }
    }
}

#[derive(Default)]
struct Progress {
    done: BTreeSet<&'static str>,
    failure: Option<Error>,
}

/// Runs all steps, each in a thread of its own as soon as it may start.
///
/// # Errors
/// The first failure. The steps under way are asked to stop, and those that wait do not start.
pub(crate) fn run(steps: Vec<Step<'_>>) -> Result<()> {
    let progress = Mutex::new(Progress::default());
    let changed = Condvar::new();
    thread::scope(|scope| {
        for step in steps {
            scope.spawn(|| run_one(step, &progress, &changed));
        }
    });
    match progress
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .failure
    {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

fn run_one(step: Step<'_>, progress: &Mutex<Progress>, changed: &Condvar) {
    let mut state = locked(progress);
    while state.failure.is_none() && !step.after.iter().all(|name| state.done.contains(name)) {
        state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    if state.failure.is_some() {
        return;
    }
    drop(state);
    let outcome = (step.work)();
    let mut state = locked(progress);
    match outcome {
        Ok(()) => {
            state.done.insert(step.name);
        }
        Err(failure) => {
            // What the other steps say while they are stopped is a consequence, not the cause.
            state.failure.get_or_insert(failure);
            interrupt::request();
        }
    }
    changed.notify_all();
}

fn locked(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}
