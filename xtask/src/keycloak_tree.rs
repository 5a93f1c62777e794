//! The Keycloak distribution: fetched through Maven, checked, built once, kept in the cache.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::{
    command::Helper,
    console,
    environment::{Environment, lock},
    facts::{KEYCLOAK_BUILD_OPTIONS, KEYCLOAK_SHA256, KEYCLOAK_VERSION},
    failure::Failure,
    files, hex,
    programs::Programs,
};

const PART: &str = "keycloak";

/// Copies one artifact into a folder; needs no project.
const MAVEN_GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";

/// Makes sure that the built tree is in the cache.
///
/// # Errors
/// One sentence when Maven cannot fetch it, when the file is not the pinned one, or when
/// `kc.sh build` fails.
pub(crate) fn prepare(environment: &Environment, programs: &Programs) -> Result<()> {
    let folder = environment.cache.join("keycloak");
    files::create_folder(&folder)?;
    let _one_at_a_time = lock(&folder.join("lock"))?;
    let tree = built_tree(environment);
    if tree.is_dir() {
        return Ok(());
    }
    let archive = fetch(environment, programs, &folder)?;
    let unfinished = folder.join("unfinished");
    files::remove_folder(&unfinished)?;
    files::create_folder(&unfinished)?;
    console::progress(PART, "unpacking");
    Helper::quiet(PART, &environment.log("keycloak-unpack")).run(
        Command::new("tar")
            .arg("-xzf")
            .arg(&archive)
            .args(["--strip-components=1", "-C"])
            .arg(&unfinished),
        "its archive cannot be unpacked: check the free disk space",
    )?;
    console::progress(
        PART,
        &format!("building with {}", KEYCLOAK_BUILD_OPTIONS.join(" ")),
    );
    Helper::shown(PART, &environment.log("keycloak-build")).run(
        Command::new(unfinished.join("bin/kc.sh"))
            .arg("build")
            .args(KEYCLOAK_BUILD_OPTIONS)
            .env("JAVA_HOME", &programs.java_home),
        "kc.sh build failed",
    )?;
    fs::rename(&unfinished, &tree).context("the built Keycloak cannot be put in its place")?;
    Ok(())
}

/// Copies the built tree: Keycloak keeps its realm files and themes inside its own folder.
pub(crate) fn copy_to(environment: &Environment, home: &Path) -> Result<()> {
    let unfinished = home.with_extension("unfinished");
    files::remove_folder(&unfinished)?;
    files::copy_folder(&built_tree(environment), &unfinished)?;
    fs::rename(&unfinished, home).context("the copy of Keycloak cannot be put in its place")
}

/// A name for everything that went into the built tree.
pub(crate) fn name() -> String {
    let options = hex::encode(&Sha256::digest(KEYCLOAK_BUILD_OPTIONS.join(" ")));
    let short: String = options.chars().take(8).collect();
    format!("{KEYCLOAK_VERSION}-{short}")
}

/// Where the built tree is once it is prepared.
pub(crate) fn built_tree(environment: &Environment) -> PathBuf {
    environment.cache.join("keycloak").join(name())
}

fn fetch(environment: &Environment, programs: &Programs, folder: &Path) -> Result<PathBuf> {
    let archive = folder.join(format!("keycloak-quarkus-dist-{KEYCLOAK_VERSION}.tar.gz"));
    if archive.is_file() && sha256(&archive)? == KEYCLOAK_SHA256 {
        return Ok(archive);
    }
    console::progress(
        PART,
        &format!("fetching version {KEYCLOAK_VERSION} through Maven (170 MB)"),
    );
    Helper::shown(PART, &environment.log("keycloak-maven")).run(
        Command::new("mvn")
            .args(["--batch-mode", MAVEN_GOAL, "-Dmdep.overWriteReleases=true"])
            .arg(format!("-Dartifact=org.keycloak:keycloak-quarkus-dist:{KEYCLOAK_VERSION}:tar.gz"))
            .arg(format!("-DoutputDirectory={}", folder.display()))
            .env("JAVA_HOME", &programs.java_home)
            // Otherwise a pom.xml in the current folder would be read.
            .current_dir(folder),
        "Maven could not fetch Keycloak: check the network, or the mirror in ~/.m2/settings.xml, and run this again",
    )?;
    let found = sha256(&archive)?;
    if found != KEYCLOAK_SHA256 {
        fs::remove_file(&archive)?;
        bail!(Failure::new(
            PART,
            format!(
                "the distribution that came has SHA-256 {found} instead of {KEYCLOAK_SHA256}: \
                 delete org/keycloak from ~/.m2/repository and look into the mirror before you try again"
            )
        ));
    }
    Ok(archive)
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let length = file.read(&mut buffer)?;
        let Some(read) = buffer.get(..length).filter(|read| !read.is_empty()) else {
            break;
        };
        digest.update(read);
    }
    Ok(hex::encode(&digest.finalize()))
}
