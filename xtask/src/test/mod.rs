//! `cargo xtask test`: formatting, lints, the test environment, every test.

mod browser;
mod counts;
mod rust;

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;

use self::counts::Counts;
use crate::{
    binaries::{Profile, cargo},
    command, console, down,
    environment::{Environment, Name},
    parts::Part,
    process,
    up::{self, Extent},
};

/// One stage of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// Formatting.
    Format,
    /// Clippy and the documentation.
    Lints,
    /// All Rust tests.
    Rust,
    /// The tests in a real browser.
    Browser,
}

impl Stage {
    /// Every stage, in their order.
    pub(crate) const ALL: [Self; 4] = [Self::Format, Self::Lints, Self::Rust, Self::Browser];
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
    let variables = variables(&environment)?;
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
    if !wants(Stage::Rust) && !wants(Stage::Browser) {
        return Ok(ExitCode::SUCCESS);
    }
    let ran_before = Part::ALL
        .into_iter()
        .any(|part| process::running(&environment, part.name()).is_some());
    if wants(Stage::Browser) {
        browser::install_chromium(&environment)?;
    }
    up::start(&environment, Extent::All(Profile::DevWithTests))?;
    let counts = run_tests(&environment, plan, &variables);
    if plan.afterwards == Afterwards::AsBefore && !ran_before {
        down::down(&environment)?;
    }
    let counts = counts?;
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

fn run_tests(environment: &Environment, plan: &Plan, variables: &Variables) -> Result<Counts> {
    let mut counts = Counts::default();
    if plan.stages.contains(&Stage::Rust) {
        counts = counts + rust::run(environment, &plan.nextest, variables)?;
    }
    if plan.stages.contains(&Stage::Browser) {
        counts = counts + browser::run(environment, variables)?;
    }
    Ok(counts)
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

/// What tests are told: the environment, and this very program, to stop and start parts with.
type Variables = [(&'static str, PathBuf); 2];

/// Asked for at the start: once cargo has built this program anew, its old file has no path.
fn variables(environment: &Environment) -> Result<Variables> {
    let own = env::current_exe().context("this program does not know its own path")?;
    Ok([
        ("TASK_EXCHANGE_ENVIRONMENT", environment.description()),
        ("TASK_EXCHANGE_XTASK", own),
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
