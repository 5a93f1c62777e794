//! A Debian of its own in the cache, for a RabbitMQ newer than this machine's: 4.0 is in trixie.
//!
//! Nothing is mounted and nothing of this machine is changed: the broker runs inside by chroot and
//! keeps its data there, under the same path as it would have outside.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use nix::unistd::Uid;

use crate::{
    command::Helper,
    console,
    environment::{Environment, lock},
    files, packages,
    programs::Tool,
};

const PART: &str = "debian";

/// The release that has RabbitMQ 4.0.
const RELEASE: &str = "trixie";

/// The root folder of that Debian.
pub(crate) fn root(environment: &Environment) -> PathBuf {
    environment.cache.join(format!("debian-{RELEASE}-rabbitmq"))
}

/// Where a file of the broker lies for us, which it sees at `path`.
pub(crate) fn outside(environment: &Environment, path: &Path) -> PathBuf {
    root(environment).join(path.strip_prefix("/").unwrap_or(path))
}

/// Makes sure that it is in the cache; the first time takes minutes and about 400 MB.
///
/// # Errors
/// One sentence when this is not root, when debootstrap cannot be installed, or when the packages
/// cannot be fetched.
pub(crate) fn prepare(environment: &Environment) -> Result<()> {
    ensure!(
        Uid::effective().is_root(),
        "only root may run a program in a Debian folder of its own"
    );
    packages::install_missing(environment, &[Tool::Debootstrap])?;
    let _one_at_a_time = lock(&environment.cache.join("debian.lock"))?;
    let root = root(environment);
    if root.is_dir() {
        return Ok(());
    }
    let unfinished = root.with_extension("unfinished");
    files::remove_folder(&unfinished)?;
    console::progress(
        PART,
        "unpacking Debian trixie with RabbitMQ 4 (minutes, once)",
    );
    Helper::quiet(PART, &environment.log(PART)).run(
        Command::new("debootstrap")
            .args(["--variant=minbase", "--include=rabbitmq-server", RELEASE])
            .arg(&unfinished),
        "Debian trixie could not be unpacked: check the network",
    )?;
    // The archives of the packages are of no more use.
    files::remove_folder(&unfinished.join("var/cache/apt/archives"))?;
    fs::rename(&unfinished, &root)
        .with_context(|| format!("cannot move {} into its place", unfinished.display()))
}
