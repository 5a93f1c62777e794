//! The tests in a real browser, run by Playwright.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    Variables, at_least_one_failure,
    counts::{self, Counts},
};
use crate::{
    command, console,
    environment::{Environment, variable},
    node_modules, packages,
    programs::{Tool, in_path},
};

/// Says which browser to use instead of Debian's.
const CHOICE: &str = "TASK_EXCHANGE_CHROMIUM";

/// Makes sure that there is a browser.
///
/// # Errors
/// One sentence when it cannot be installed.
pub(super) fn install_chromium(environment: &Environment) -> Result<()> {
    if chromium().is_some() {
        return Ok(());
    }
    if packages::is_ubuntu() {
        bail!(
            "no browser for the browser tests, and Ubuntu has none as a package: install Google Chrome, name another \
             Chromium in {CHOICE}, or leave these tests out with --no-browser"
        );
    }
    packages::install_missing(environment, &[Tool::Chromium])
}

/// Runs all of them.
///
/// # Errors
/// When their npm packages cannot be fetched, or when Playwright does not get as far as the tests.
pub(super) fn run(environment: &Environment, variables: &Variables) -> Result<Counts> {
    let chromium = chromium().context("the browser is gone: run this again")?;
    let folder = environment.checkout.join("tests/browser");
    node_modules::install(environment, "browser", &folder)?;
    let report = environment.folder().join("playwright.json");
    // It may not be there.
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
        .env(CHOICE, chromium)
        .envs(variables.iter().map(|(name, value)| (*name, value)))
        .current_dir(&folder);
    let content = command::run_visibly(&mut command)?;
    ensure!(
        report.is_file(),
        "the browser tests could not be run: Playwright's words stand above"
    );
    Ok(at_least_one_failure(counts::playwright(&report)?, content))
}

fn chromium() -> Option<PathBuf> {
    variable(CHOICE)
        .map(PathBuf::from)
        .or_else(|| in_path("chromium"))
        .or_else(|| in_path("google-chrome"))
}
