//! The Rust tests, run by nextest.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Result, ensure};

use super::{
    Variables, at_least_one_failure,
    counts::{self, Counts},
};
use crate::{
    binaries::{as_from_a_shell, cargo},
    command::{self, Helper, answer},
    console,
    environment::Environment,
    facts::NEXTEST_VERSION,
};

/// Runs all of a profile of `.config/nextest.toml`, or those of them that `arguments` select.
///
/// # Errors
/// When nextest cannot be installed, or when the tests do not compile.
pub(super) fn run(
    environment: &Environment,
    profile: &str,
    arguments: &[String],
    variables: &Variables,
) -> Result<Counts> {
    let nextest = install_nextest(environment)?;
    // Where nextest keeps the reports of a checkout, wherever cargo builds.
    let report = environment
        .checkout
        .join("target/nextest")
        .join(profile)
        .join("junit.xml");
    // It may not be there.
    fs::remove_file(&report).ok();
    console::progress("test", &format!("Rust tests, profile {profile}"));
    let mut command = as_from_a_shell(Command::new(nextest));
    command
        .args([
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--profile",
            profile,
        ])
        .args(arguments)
        // The frames of futures would bury what went wrong.
        .env("RUST_LIB_BACKTRACE", "0")
        .envs(variables.iter().map(|(name, value)| (*name, value)))
        .current_dir(&environment.checkout);
    let content = command::run_visibly(&mut command)?;
    ensure!(
        report.is_file(),
        "the Rust tests could not be run: cargo's words stand above"
    );
    Ok(at_least_one_failure(counts::nextest(&report)?, content))
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
                "--force",
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
