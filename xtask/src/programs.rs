//! The programs an environment is made of: where they are, and whether they are new enough.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail, ensure};

use crate::{
    command::answer,
    debian,
    environment::{Broker, Environment, variable},
    facts::{JAVA_AT_LEAST, NODE_AT_LEAST, POSTGRES_AT_LEAST, RABBITMQ_AT_LEAST},
};

/// A program that Debian has a package for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Postgres,
    Rabbitmq,
    Nginx,
    Java,
    Maven,
    Node,
    Npm,
    Chromium,
    Debootstrap,
}

/// The programs of `up`.
pub(crate) const SERVERS: [Tool; 7] = [
    Tool::Postgres,
    Tool::Rabbitmq,
    Tool::Nginx,
    Tool::Java,
    Tool::Maven,
    Tool::Node,
    Tool::Npm,
];

/// Where the programs of `up` are.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) postgres_bin: PathBuf,
    pub(crate) postgres_major: u32,
    pub(crate) rabbitmq_bin: PathBuf,
    /// Major and minor, such as `3.10`.
    pub(crate) rabbitmq_version: String,
    pub(crate) nginx: PathBuf,
    pub(crate) java_home: PathBuf,
}

impl Programs {
    /// Finds all of them for `environment`; call it when [`is_there`] holds for each of [`SERVERS`].
    ///
    /// # Errors
    /// One sentence about the first program that is missing or too old.
    pub(crate) fn find(environment: &Environment) -> Result<Self> {
        let (postgres_major, postgres_bin) = postgres()?;
        let root = match environment.broker() {
            Broker::Installed => PathBuf::from("/"),
            Broker::Four => debian::root(environment),
        };
        let (version, rabbitmq_bin) = rabbitmq(&root)?;
        check_node()?;
        Ok(Self {
            postgres_bin,
            postgres_major,
            rabbitmq_bin,
            rabbitmq_version: format!("{}.{}", version.0, version.1),
            nginx: in_path("nginx").ok_or_else(|| missing("nginx"))?,
            java_home: java_home()?,
        })
    }
}

/// Whether the program is installed at all, new enough or not.
pub(crate) fn is_there(tool: Tool) -> bool {
    match tool {
        Tool::Postgres => newest_postgres().is_some(),
        Tool::Rabbitmq => Path::new(RABBITMQ_BIN).join("rabbitmq-server").is_file(),
        Tool::Nginx => in_path("nginx").is_some(),
        Tool::Java => {
            variable("JAVA_HOME").is_some() || java_homes().iter().any(|home| is_new_java(home))
        }
        Tool::Maven => in_path("mvn").is_some(),
        Tool::Node => in_path("node").is_some(),
        Tool::Npm => in_path("npm").is_some(),
        Tool::Chromium => in_path("chromium").is_some(),
        Tool::Debootstrap => in_path("debootstrap").is_some(),
    }
}

/// Looks a program up in `PATH` and in the folders of system programs, which not every `PATH` has.
pub(crate) fn in_path(program: &str) -> Option<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"])
        .map(|folder| Path::new(folder).join(program))
        .find(|candidate| candidate.is_file())
}

fn missing(program: &str) -> anyhow::Error {
    anyhow::anyhow!("{program} is missing: install it, or let this command install it as root")
}

const RABBITMQ_BIN: &str = "/usr/lib/rabbitmq/bin";

/// The newest PostgreSQL in Debian's layout.
fn newest_postgres() -> Option<(u32, PathBuf)> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let major = path.file_name()?.to_str()?.parse().ok()?;
            path.join("bin/initdb")
                .is_file()
                .then(|| (major, path.join("bin")))
        })
        .max()
}

fn postgres() -> Result<(u32, PathBuf)> {
    let Some((major, bin)) = newest_postgres() else {
        bail!(missing("PostgreSQL"))
    };
    ensure!(
        major >= POSTGRES_AT_LEAST,
        "PostgreSQL {major} is too old, {POSTGRES_AT_LEAST} or newer is needed: use Debian 12, Ubuntu 24.04 or newer"
    );
    Ok((major, bin))
}

/// The RabbitMQ in Debian's layout below `root`; the folder of its programs as seen from there.
fn rabbitmq(root: &Path) -> Result<((u32, u32), PathBuf)> {
    let library = fs::read_dir(root.join("usr/lib/rabbitmq/lib")).ok();
    let version = library.into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name();
        let mut numbers = name.to_str()?.strip_prefix("rabbitmq_server-")?.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    });
    let Some(version) = version.max() else {
        bail!(missing("RabbitMQ"))
    };
    ensure!(
        version >= RABBITMQ_AT_LEAST,
        "RabbitMQ {}.{} is too old, {}.{} or newer is needed: use Debian 12, Ubuntu 24.04 or newer",
        version.0,
        version.1,
        RABBITMQ_AT_LEAST.0,
        RABBITMQ_AT_LEAST.1
    );
    Ok((version, PathBuf::from(RABBITMQ_BIN)))
}

/// The Java that Keycloak and Maven run on: the one the person chose, else the first new enough.
///
/// # Errors
/// One sentence when there is none, or when the chosen one is too old.
pub(crate) fn java_home() -> Result<PathBuf> {
    if let Some(chosen) = variable("JAVA_HOME").map(PathBuf::from) {
        ensure!(
            is_new_java(&chosen),
            "JAVA_HOME points at {}, which is not a Java {JAVA_AT_LEAST} or newer: correct it or unset it",
            chosen.display()
        );
        return Ok(chosen);
    }
    java_homes()
        .into_iter()
        .find(|home| is_new_java(home))
        .ok_or_else(|| missing("Java 17 or newer"))
}

fn java_homes() -> Vec<PathBuf> {
    let first = in_path("java").and_then(|java| {
        Some(
            fs::canonicalize(java)
                .ok()?
                .parent()?
                .parent()?
                .to_path_buf(),
        )
    });
    let installed = fs::read_dir("/usr/lib/jvm")
        .ok()
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    first.into_iter().chain(installed).collect()
}

/// Reads the `release` file that every Java brings along: faster than asking the program.
fn is_new_java(home: &Path) -> bool {
    let release = fs::read_to_string(home.join("release")).unwrap_or_default();
    home.join("bin/java").is_file()
        && java_major(&release).is_some_and(|major| major >= JAVA_AT_LEAST)
}

/// The major version in a `release` file; Java 8 calls itself 1.8 there.
fn java_major(release: &str) -> Option<u32> {
    let version = release
        .lines()
        .find_map(|line| line.strip_prefix("JAVA_VERSION=\""))?;
    version.split(['.', '"', '-', '+']).next()?.parse().ok()
}

fn check_node() -> Result<()> {
    let answer = in_path("node").and_then(|node| answer(Command::new(node).arg("--version")));
    let Some(version) = answer else {
        bail!(missing("Node"))
    };
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    ensure!(
        major.is_some_and(|major| major >= NODE_AT_LEAST),
        "Node {version} is too old: install {NODE_AT_LEAST} or newer, Debian 12 and Ubuntu 24.04 have it"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_java_version_is_read_from_its_release_file() {
        assert_eq!(
            java_major("IMPLEMENTOR=\"Debian\"\nJAVA_VERSION=\"17.0.15\"\n"),
            Some(17)
        );
        assert_eq!(java_major("JAVA_VERSION=\"25\"\n"), Some(25));
        assert_eq!(java_major("JAVA_VERSION=\"1.8.0_442\"\n"), Some(1));
        assert_eq!(java_major(""), None);
    }
}
