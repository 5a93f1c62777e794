//! `cargo xtask bench`: the environment that is measured, and the program that measures it.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::{
    binaries::Profile,
    command, console, down,
    environment::{Environment, Name},
    parts::{self, Part, migrate},
    process,
    programs::Programs,
    state::State,
    test::Afterwards,
    up::{self, Extent},
};

/// What belongs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// From a new task to the ledger: every step beside its bare limit.
    Pipeline,
    /// A user by id from the auth bridge, beside a bare handler.
    Users,
}

/// One thing that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Figure {
    /// Outbox to broker, beside one confirmed publisher.
    Relay,
    /// Queue to ledger, beside bare batched SQL.
    Consumer,
    /// A new task over HTTP, beside a bare handler.
    Create,
    /// From a new task to its entry in the ledger, at a steady rate.
    Latency,
}

/// What to measure, and how often.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) suite: Suite,
    pub(crate) only: Vec<Figure>,
    pub(crate) rounds: u16,
    pub(crate) afterwards: Afterwards,
    pub(crate) base_port: Option<u16>,
}

/// Starts everything, measures, and stops what did not run before.
///
/// # Errors
/// One sentence about what could not be started. A measurement that failed is a failure code.
pub(crate) fn run(order: &Order) -> Result<ExitCode> {
    let environment = Environment::open(Name::Bench, order.base_port)?;
    let ran_before = process::running(&environment, Part::Postgres.name()).is_some();
    let extent = match order.suite {
        Suite::Pipeline => Extent::Messages(Profile::Measured),
        Suite::Users => Extent::All(Profile::Measured),
    };
    up::start(&environment, extent)?;
    let measured = measure(&environment, order);
    if order.afterwards == Afterwards::AsBefore && !ran_before {
        down::down(&environment)?;
    }
    Ok(if measured? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn measure(environment: &Environment, order: &Order) -> Result<bool> {
    let state = State::load(&environment.folder())?;
    let folder = state
        .and_then(|state| state.binaries)
        .context("the measuring program is not built")?;
    let context = parts::Context {
        environment,
        programs: &Programs::find(environment)?,
        binaries: Some(folder.clone()),
    };
    for service in Part::SERVICES {
        migrate(&context, service)?;
    }
    console::progress("bench", "measuring");
    let mut command = Command::new(folder.join("bench"));
    command
        .arg(name(&order.suite)?)
        .arg("--environment")
        .arg(environment.description())
        .arg("--output")
        .arg(environment.folder().join("results"))
        .args(["--rounds", &order.rounds.to_string()]);
    for figure in &order.only {
        command.arg("--only").arg(name(figure)?);
    }
    command::run_visibly(&mut command)
}

/// The word of an option, the same for both programs.
fn name(value: &impl ValueEnum) -> Result<String> {
    let value = value.to_possible_value().context("no option is hidden")?;
    Ok(value.get_name().to_owned())
}
