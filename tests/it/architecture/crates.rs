//! Crates depend on each other only in the direction that STYLE.md draws.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

use crate::support::workspace;

/// Each crate and the crates of this workspace that it may depend on.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("contracts", &[]),
    ("platform", &["contracts"]),
    ("migrations", &[]),
    ("tasks-service", &["contracts", "migrations", "platform"]),
    ("finance-service", &["contracts", "migrations", "platform"]),
    ("auth-bridge", &["contracts", "migrations", "platform"]),
    (
        "it",
        &[
            "auth-bridge",
            "contracts",
            "finance-service",
            "migrations",
            "platform",
            "tasks-service",
            "xtask",
        ],
    ),
    ("bench", &["contracts", "migrations", "platform"]),
    ("xtask", &[]),
];

/// What cargo knows about the workspace's own packages.
pub(crate) fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(workspace::root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON");
    metadata["packages"]
        .as_array()
        .expect("the metadata lists packages")
        .clone()
}

/// The names of the packages that `package` depends on, test and build dependencies included.
pub(crate) fn dependencies(package: &Value) -> Vec<&str> {
    let listed = package["dependencies"]
        .as_array()
        .expect("a package lists its dependencies");
    listed
        .iter()
        .filter_map(|dependency| dependency["name"].as_str())
        .collect()
}

#[test]
fn crates_depend_on_each_other_only_as_drawn() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into();
    let packages = packages();
    let own: Vec<&str> = packages
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    let mut wrong = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().expect("a package has a name");
        let Some(edges) = allowed.get(name) else {
            wrong.push(format!("{name} is not drawn in STYLE.md"));
            continue;
        };
        let named = dependencies(package)
            .into_iter()
            .filter(|dependency| own.contains(dependency));
        wrong.extend(
            named
                .filter(|edge| !edges.contains(edge))
                .map(|edge| format!("{name} -> {edge}")),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn contracts_needs_nothing_but_serialisation_time_and_ids() {
    let packages = packages();
    let contracts = packages
        .iter()
        .find(|package| package["name"] == "contracts")
        .expect("there is a crate contracts");
    let mut named = dependencies(contracts);
    named.retain(|name| !["chrono", "schemars", "serde", "serde_json", "uuid"].contains(name));
    assert!(named.is_empty(), "contracts also depends on {named:?}");
}

#[test]
fn every_crate_keeps_the_lints_of_the_workspace() {
    for package in packages() {
        let manifest = package["manifest_path"]
            .as_str()
            .expect("a package has a manifest");
        let text = std::fs::read_to_string(manifest).expect("the manifest is readable");
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{manifest} has lints of its own"
        );
    }
}
