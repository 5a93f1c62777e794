//! `cargo xtask test`: formatting, lints, the test environment, every test.

mod browser;
mod counts;
mod faults;
mod rust;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;

use self::counts::Counts;
use crate::{
    binaries::{Profile, cargo},
    command, console, down,
    environment::{Broker, Environment, Name},
    keycloak_tree,
    parts::Part,
    process, programs,
    up::{self, Extent},
};

/// One stage of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// Formatting.
    Format,
    /// Clippy and the documentation.
    Lints,
    /// All Rust tests but those of the next stage but one.
    Rust,
    /// The tests in a real browser.
    Browser,
    /// Topology, and what happens when parts are killed and links break, on each RabbitMQ.
    Faults,
}

impl Stage {
    /// Every stage, in their order.
    pub(crate) const ALL: [Self; 5] = [
        Self::Format,
        Self::Lints,
        Self::Rust,
        Self::Browser,
        Self::Faults,
    ];
}

/// What becomes of the environment after the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// It runs on when it ran before.
    AsBefore,
    /// It runs on.
    Keep,
}

/// What to test.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) stages: Vec<Stage>,
    /// What the fault tests run on.
    pub(crate) brokers: Vec<Broker>,
    pub(crate) afterwards: Afterwards,
    pub(crate) base_port: Option<u16>,
    pub(crate) nextest: Vec<String>,
}

/// Runs the stages of `plan` and ends with one line that counts the tests.
///
/// # Errors
/// One sentence about the stage that could not be run. Failed tests are no error but a failure
/// code.
pub(crate) fn run(plan: &Plan) -> Result<ExitCode> {
    let environment = Environment::open(Name::Test, plan.base_port)?;
    // Asked for at the start: once cargo has built this program anew, its old file has no path.
    let own = env::current_exe().context("this program does not know its own path")?;
    let wants = |stage: Stage| plan.stages.contains(&stage);
    if wants(Stage::Format) {
        check(
            &environment,
            "formatting",
            &["fmt", "--all", "--check"],
            &[],
        )?;
    }
    if wants(Stage::Lints) {
        lint(&environment)?;
    }
    let mut counts = Counts::default();
    let mut notes = Vec::new();
    if wants(Stage::Rust) || wants(Stage::Browser) {
        counts = counts + run_tests(&environment, plan, &own)?;
    }
    if wants(Stage::Faults) {
        let faults = faults::run(&environment, plan, &own)?;
        counts = counts + faults.counts;
        notes = faults.left_out;
    }
    if ![Stage::Rust, Stage::Browser, Stage::Faults]
        .into_iter()
        .any(wants)
    {
        return Ok(ExitCode::SUCCESS);
    }
    for note in notes {
        console::plain(&note);
    }
    console::plain(&format!(
        "{} passed, {} failed",
        counts.passed, counts.failed
    ));
    Ok(if counts.failed == 0 && counts.passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The tests that share one environment.
fn run_tests(environment: &Environment, plan: &Plan, own: &Path) -> Result<Counts> {
    let wants = |stage: Stage| plan.stages.contains(&stage);
    if wants(Stage::Browser) {
        browser::install_chromium(environment)?;
    }
    let extent = Extent::All(Profile::DevWithTests);
    with_environment(environment, extent, plan.afterwards, || {
        let variables = variables(environment, own)?;
        let mut counts = Counts::default();
        if wants(Stage::Rust) {
            counts = counts + rust::run(environment, "default", &plan.nextest, &variables)?;
        }
        if wants(Stage::Browser) {
            counts = counts + browser::run(environment, &variables)?;
        }
        Ok(counts)
    })
}

/// Brings an environment up for `work`, and down again if that is wanted.
fn with_environment(
    environment: &Environment,
    extent: Extent,
    afterwards: Afterwards,
    work: impl FnOnce() -> Result<Counts>,
) -> Result<Counts> {
    let ran_before = Part::ALL
        .into_iter()
        .any(|part| process::running(environment, part.name()).is_some());
    up::start(environment, extent)?;
    let counts = work();
    if afterwards == Afterwards::AsBefore && !ran_before {
        down::down(environment)?;
    }
    counts
}

fn lint(environment: &Environment) -> Result<()> {
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    check(environment, "lints", &clippy, &[])?;
    let doc = [
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--locked",
    ];
    check(
        environment,
        "documentation",
        &doc,
        &[("RUSTDOCFLAGS", "-D warnings")],
    )
}

/// Runs cargo with its words on the terminal.
fn check(
    environment: &Environment,
    what: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result<()> {
    console::progress("test", what);
    let mut command = cargo();
    command
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(&environment.checkout);
    ensure!(
        command::run_visibly(&mut command)?,
        "{what}: cargo is not content, its words stand above"
    );
    Ok(())
}

/// What tests are told: the environment, this very program, to stop and start parts with, and what another
/// Keycloak of the same version can be made from.
type Variables = [(&'static str, PathBuf); 4];

fn variables(environment: &Environment, own: &Path) -> Result<Variables> {
    Ok([
        ("TASK_EXCHANGE_ENVIRONMENT", environment.description()),
        ("TASK_EXCHANGE_XTASK", own.to_path_buf()),
        (
            "TASK_EXCHANGE_KEYCLOAK",
            keycloak_tree::built_tree(environment),
        ),
        ("TASK_EXCHANGE_JAVA_HOME", programs::java_home()?),
    ])
}

/// A runner that was not content although no test failed has failed as such.
fn at_least_one_failure(counts: Counts, content: bool) -> Counts {
    let failed = if content {
        counts.failed
    } else {
        counts.failed.max(1)
    };
    Counts { failed, ..counts }
}
