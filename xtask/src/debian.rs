//! A Debian of its own in the cache, for a RabbitMQ newer than this machine's: 4.0 is in trixie.
//!
//! The broker runs inside, with a `/proc` that only it sees and that goes with it; it keeps its data there,
//! under the same path as it would have outside. Of this machine nothing is changed, but that `debootstrap`
//! is installed where it is missing.

use std::{
    ffi::OsString,
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

/// What `unshare` has to be told for a program to run inside.
pub(crate) fn inside(environment: &Environment) -> [OsString; 4] {
    let mut root_is = OsString::from("--root=");
    root_is.push(root(environment));
    ["--mount-proc".into(), root_is, "--wd=/".into(), "--".into()]
}

/// Makes sure that it is in the cache; the first time takes minutes and about 400 MB.
///
/// # Errors
/// One sentence when this is not root or root may not mount anything, when debootstrap cannot be
/// installed, or when the packages cannot be fetched.
pub(crate) fn prepare(environment: &Environment) -> Result<()> {
    ensure!(
        Uid::effective().is_root(),
        "only root may run a program in a Debian folder of its own"
    );
    let mounting = Command::new("unshare")
        .args(["--mount-proc", "true"])
        .status();
    ensure!(
        mounting.is_ok_and(|status| status.success()),
        "this machine lets not even root mount a /proc that only one program sees"
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
