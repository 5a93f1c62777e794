//! Debian packages: which are missing, and how they are installed.

use std::{fs, process::Command};

use anyhow::{Result, bail, ensure};
use nix::unistd::Uid;

use crate::{
    command::Helper,
    console,
    environment::Environment,
    failure::Failure,
    programs::{Tool, in_path, is_there},
};

const PART: &str = "packages";

/// Leaves alone what system-wide services there are; see the script itself.
const INSTALL: &str = include_str!("../assets/install-packages.sh");

/// Installs the packages of those `tools` that are missing, and says so before it does.
///
/// # Errors
/// One sentence when there is no right to install, or when the packages cannot be fetched.
pub(crate) fn install_missing(environment: &Environment, tools: &[Tool]) -> Result<()> {
    let missing: Vec<Tool> = tools
        .iter()
        .copied()
        .filter(|tool| !is_there(*tool))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    ensure!(
        in_path("apt-get").is_some(),
        "{missing:?} missing, and this is neither Debian nor Ubuntu: install them by hand and run this again"
    );
    let wanted: Vec<&str> = missing.iter().flat_map(|tool| packages(*tool)).collect();
    let list = wanted.join(" ");
    let Some(mut command) = as_root() else {
        bail!(
            "packages are missing and there is no right to install them: run `apt-get install {list}` as root"
        );
    };
    console::progress(
        PART,
        &format!("installing {list} (their system-wide services stay off)"),
    );
    let helper = Helper::shown(PART, &environment.log(PART)).with_terminal();
    helper.run(
        command.args(["sh", "-c", INSTALL, "install-packages"]).args(&wanted),
        "the packages could not be installed: check the network, apt's sources and the right to use sudo",
    )?;
    match missing.into_iter().find(|tool| !is_there(*tool)) {
        None => Ok(()),
        Some(tool) => bail!(Failure::new(
            PART,
            format!("{tool:?} is still missing after the install")
        )),
    }
}

/// A command that runs what follows as root, none when there is no way.
fn as_root() -> Option<Command> {
    if Uid::effective().is_root() {
        return Some(Command::new("env"));
    }
    in_path("sudo").map(Command::new)
}

fn packages(tool: Tool) -> Vec<&'static str> {
    match tool {
        Tool::Postgres => vec!["postgresql"],
        Tool::Rabbitmq => vec!["rabbitmq-server"],
        Tool::Nginx => vec!["nginx"],
        Tool::Java => vec!["default-jre-headless"],
        Tool::Maven => vec!["maven"],
        Tool::Node => vec!["nodejs"],
        Tool::Npm => vec!["npm"],
        Tool::Chromium => vec!["chromium", "fonts-liberation"],
        Tool::Debootstrap => vec!["debootstrap"],
    }
}

/// Whether this is Ubuntu, whose chromium package is only a pointer to a snap.
pub(crate) fn is_ubuntu() -> bool {
    fs::read_to_string("/etc/os-release")
        .is_ok_and(|text| text.lines().any(|line| line == "ID=ubuntu"))
}
