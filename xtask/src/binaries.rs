//! Builds the three services with cargo.

use std::{
    env,
    io::{BufRead as _, BufReader, Read},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{
    command, console,
    environment::{Environment, variable},
    facts::SERVICES,
    failure::Failure,
};

/// How the services are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to build.
    Dev,
    /// As `Dev`, together with every test: features are unified over all that is built at once, so
    /// building the services first and the tests later would compile half of the dependencies twice.
    DevWithTests,
    /// Quick to run.
    Release,
    /// As `Release` but for the long link, together with the program that measures.
    Measured,
}

/// Builds the services, cargo's progress on the terminal, and returns the folder of the binaries.
///
/// # Errors
/// One sentence when they do not compile or when crates cannot be fetched.
pub(crate) fn build(environment: &Environment, profile: Profile) -> Result<PathBuf> {
    console::progress("build", "compiling the services");
    let mut command = cargo();
    command
        .current_dir(&environment.checkout)
        .args(["build", "--message-format=json-render-diagnostics"]);
    if profile == Profile::DevWithTests {
        command.args(["--workspace", "--all-targets"]);
    } else {
        for service in SERVICES {
            command.args(["--package", service, "--bin", service]);
        }
    }
    match profile {
        Profile::Dev | Profile::DevWithTests => &mut command,
        Profile::Release => command.arg("--release"),
        Profile::Measured => {
            command.args(["--package", "bench", "--bin", "bench"]);
            command.args(["--profile", "measured"])
        }
    };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo cannot be started")?;
    let report = child.stdout.take().context("cargo has no output")?;
    let (built, folder) = thread::scope(|scope| {
        let reader = scope.spawn(|| last_executable_folder(report));
        let built = command::wait(&mut child);
        (built, reader.join().ok().flatten())
    });
    let built = built?.success();
    match folder {
        Some(folder) if built => Ok(folder),
        _ => bail!(Failure::new(
            "build",
            "the services could not be built: see cargo's words above, or the network when crates are missing"
        )),
    }
}

/// Reads cargo's report to its end.
fn last_executable_folder(report: impl Read) -> Option<PathBuf> {
    BufReader::new(report)
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| executable_folder(&line))
        .last()
}

/// The folder of the service that a line of cargo's report is about, if it is about one.
fn executable_folder(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let name = message.pointer("/target/name")?.as_str()?;
    let is_test = message.pointer("/profile/test")?.as_bool()?;
    if is_test || !SERVICES.contains(&name) {
        return None;
    }
    let path = PathBuf::from(message.get("executable")?.as_str()?);
    path.parent().map(PathBuf::from)
}

/// The cargo that runs this tool.
pub(crate) fn cargo() -> Command {
    as_from_a_shell(Command::new(
        variable("CARGO").unwrap_or_else(|| "cargo".to_owned()),
    ))
}

/// Takes away what `cargo run` told this tool about itself.
///
/// Build scripts of dependencies watch these variables: with them, every build by this tool after
/// one from a shell would compile half of the dependencies anew.
pub(crate) fn as_from_a_shell(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        let is_about_this_tool = name.to_str().is_some_and(|name| {
            [
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_BIN_",
                "CARGO_CRATE_",
            ]
            .iter()
            .any(|start| name.starts_with(start))
        });
        if is_about_this_tool {
            command.env_remove(name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_services_themselves_tell_where_services_are() {
        let line = |name: &str, test: bool| {
            let executable = format!("/target/debug/{name}");
            serde_json::json!({
                "target": {"name": name}, "profile": {"test": test}, "executable": executable,
            })
            .to_string()
        };
        let folder = Some(PathBuf::from("/target/debug"));
        assert_eq!(executable_folder(&line("auth-bridge", false)), folder);
        assert_eq!(executable_folder(&line("auth-bridge", true)), None);
        assert_eq!(executable_folder(&line("xtask", false)), None);
        assert_eq!(executable_folder("{\"reason\":\"build-finished\"}"), None);
    }
}
