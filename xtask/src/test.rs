//! `cargo xtask test`: formatting, lints, the test environment, every test.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;

use crate::{
    binaries::{Profile, as_from_a_shell, cargo},
    command::{Helper, answer},
    console, down,
    environment::{Environment, Name},
    facts::NEXTEST_VERSION,
    interrupt, node_modules, packages,
    parts::Part,
    process,
    programs::{Tool, in_path},
    test_counts::{self, Counts},
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
    if wants(Stage::Browser) && !packages::is_ubuntu() {
        packages::install_missing(&environment, &[Tool::Chromium])?;
    }
    up::start(&environment, Extent::All(Profile::Dev))?;
    let counts = run_tests(&environment, plan);
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

fn run_tests(environment: &Environment, plan: &Plan) -> Result<Counts> {
    let mut counts = Counts::default();
    if plan.stages.contains(&Stage::Rust) {
        counts = counts + run_nextest(environment, &plan.nextest)?;
    }
    if plan.stages.contains(&Stage::Browser) {
        counts = counts + run_browser(environment)?;
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
    let doc = ["doc", "--workspace", "--no-deps", "--locked"];
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
        run_visibly(&mut command)?,
        "{what}: cargo is not content, its words stand above"
    );
    Ok(())
}

/// Runs a program that speaks to the terminal itself; says whether it was content.
fn run_visibly(command: &mut Command) -> Result<bool> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .spawn()
        .with_context(|| format!("{program} cannot be started"))?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if let Err(stopped) = interrupt::tick() {
            // Ctrl-C reached the child as well; a signal to this process alone did not.
            child.kill().ok();
            child.wait()?;
            return Err(stopped);
        }
    }
}

fn run_nextest(environment: &Environment, arguments: &[String]) -> Result<Counts> {
    let nextest = install_nextest(environment)?;
    // Where nextest keeps reports of the checkout, wherever cargo builds.
    let report = environment
        .checkout
        .join("target/nextest/default/junit.xml");
    // It may not be there.
    fs::remove_file(&report).ok();
    console::progress("test", "all Rust tests");
    let mut command = as_from_a_shell(Command::new(nextest));
    command
        .args([
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--no-fail-fast",
        ])
        .args(arguments)
        .envs(variables(environment)?)
        .current_dir(&environment.checkout);
    let content = run_visibly(&mut command)?;
    ensure!(
        report.is_file(),
        "the Rust tests could not be run: cargo's words stand above"
    );
    Ok(at_least_one_failure(
        test_counts::nextest(&report)?,
        content,
    ))
}

fn run_browser(environment: &Environment) -> Result<Counts> {
    let folder = environment.checkout.join("tests/browser");
    node_modules::install(environment, "browser", &folder)?;
    let report = environment.folder().join("playwright.json");
    fs::remove_file(&report).ok();
    console::progress("test", "browser tests");
    let mut command = Command::new("node");
    command
        .args([
            "node_modules/@playwright/test/cli.js",
            "test",
            "--reporter=list,json",
        ])
        .env("PLAYWRIGHT_JSON_OUTPUT_NAME", &report)
        .envs(variables(environment)?)
        .current_dir(&folder);
    if let Some(chromium) = in_path("chromium") {
        command.env("TASK_EXCHANGE_CHROMIUM", chromium);
    }
    let content = run_visibly(&mut command)?;
    ensure!(
        report.is_file(),
        "the browser tests could not be run: Playwright's words stand above"
    );
    Ok(at_least_one_failure(
        test_counts::playwright(&report)?,
        content,
    ))
}

/// What tests are told: the environment, and this very program, to stop and start parts with.
fn variables(environment: &Environment) -> Result<[(&'static str, PathBuf); 2]> {
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

/// The path of `cargo-nextest`, installed into the cache unless it is there.
fn install_nextest(environment: &Environment) -> Result<PathBuf> {
    let tools = environment.cache.join("tools");
    let program = tools.join("bin/cargo-nextest");
    let version = answer(Command::new(&program).args(["nextest", "--version"])).unwrap_or_default();
    if version.contains(NEXTEST_VERSION) {
        return Ok(program);
    }
    console::progress(
        "nextest",
        &format!("installing cargo-nextest {NEXTEST_VERSION} (minutes, once)"),
    );
    Helper::shown("nextest", &environment.log("nextest-install")).run(
        cargo()
            .args([
                "install",
                "cargo-nextest",
                "--version",
                NEXTEST_VERSION,
                "--locked",
            ])
            .args([
                "--no-default-features",
                "--features",
                "default-no-update",
                "--root",
            ])
            .arg(&tools),
        "cargo could not install nextest: check the network and run this again",
    )?;
    Ok(program)
}
