//! Folders of a crate know each other only in the direction that STYLE.md draws.

use std::path::{Path, PathBuf};

use crate::support::{
    source::{self, NamedPath},
    workspace,
};

const SERVICES: [&str; 2] = ["tasks-service", "finance-service"];

/// Crates that the rules of the business may name beside std.
const DOMAIN_CRATES: [&str; 5] = ["chrono", "chrono_tz", "rand", "thiserror", "uuid"];

/// A folder or file of a service's `src`, and the modules of the same crate that it must not name.
const FORBIDDEN: [(&str, &[&str]); 8] = [
    (
        "domain",
        &[
            "api",
            "app",
            "config",
            "jobs",
            "messaging",
            "state",
            "store",
            "web",
        ],
    ),
    (
        "store",
        &["api", "app", "jobs", "messaging", "state", "web"],
    ),
    (
        "messaging/publish",
        &[
            "api",
            "app",
            "jobs",
            "messaging::consume",
            "state",
            "store",
            "web",
        ],
    ),
    ("app", &["api", "jobs", "messaging::consume", "web"]),
    ("messaging/consume", &["api", "jobs", "store", "web"]),
    ("api", &["jobs", "messaging", "store", "web"]),
    ("web", &["api", "jobs", "messaging", "store"]),
    ("jobs", &["api", "store", "web"]),
];

/// A source file with the paths that it names outside of tests.
struct File {
    path: PathBuf,
    paths: Vec<NamedPath>,
}

fn files_of(krate: &str) -> Vec<File> {
    let source = Path::new(krate).join("src");
    workspace::rust_files(&source)
        .into_iter()
        .filter(|path| !workspace::is_test(path))
        .map(|path| {
            let inner = path
                .strip_prefix(&source)
                .expect("the file lies in src")
                .to_path_buf();
            let paths = source::named_paths(&workspace::read(&path), &source::module_of(&inner));
            File {
                path: inner,
                paths: paths.into_iter().collect(),
            }
        })
        .collect()
}

/// Whether `path` is the module `module` or lies in it: `app` holds `app.rs`, `app/mod.rs` and `app/tasks.rs`.
fn lies_in(path: &Path, module: &str) -> bool {
    path.starts_with(module) || path.with_extension("") == Path::new(module)
}

fn names_module(path: &NamedPath, module: &str) -> bool {
    let wanted: Vec<&str> = std::iter::once("crate").chain(module.split("::")).collect();
    path.len() >= wanted.len() && path.iter().zip(wanted).all(|(part, wanted)| part == wanted)
}

fn report(krate: &str, file: &File, path: &NamedPath) -> String {
    format!(
        "{krate}/src/{} names {}",
        file.path.display(),
        path.join("::")
    )
}

#[test]
fn folders_of_a_service_know_each_other_only_as_drawn() {
    let mut wrong = Vec::new();
    for service in SERVICES {
        for file in files_of(service) {
            let rules = FORBIDDEN
                .iter()
                .filter(|(folder, _)| lies_in(&file.path, folder));
            for module in rules.flat_map(|(_, modules)| *modules) {
                let named = file.paths.iter().filter(|path| names_module(path, module));
                wrong.extend(named.map(|path| report(service, &file, path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_rules_of_the_business_know_no_framework() {
    let mut wrong = Vec::new();
    for service in SERVICES {
        let foreign = foreign_crates(service);
        for file in files_of(service)
            .iter()
            .filter(|file| lies_in(&file.path, "domain"))
        {
            let named = file
                .paths
                .iter()
                .filter(|path| path.len() > 1 && foreign.contains(&path[0]));
            wrong.extend(named.map(|path| report(service, file, path)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The crates that `service` depends on and its domain must not name.
fn foreign_crates(service: &str) -> Vec<String> {
    let packages = super::crates::packages();
    let package = packages
        .iter()
        .find(|package| package["name"] == service)
        .expect("the service is a package");
    let names = super::crates::dependencies(package)
        .into_iter()
        .map(|name| name.replace('-', "_"));
    names
        .filter(|name| !DOMAIN_CRATES.contains(&name.as_str()))
        .collect()
}

#[test]
fn rows_of_the_database_stay_in_the_store() {
    let mut wrong = Vec::new();
    for krate in SERVICES.into_iter().chain(["keycloak"]) {
        for file in files_of(krate)
            .iter()
            .filter(|file| !lies_in(&file.path, "store"))
        {
            let is_row = |part: &String| ["ActiveModel", "DbErr", "Model"].contains(&part.as_str());
            wrong.extend(
                file.paths
                    .iter()
                    .filter(|path| path.iter().any(is_row))
                    .map(|path| report(krate, file, path)),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_platform_knows_no_word_of_the_business() {
    let mut wrong = Vec::new();
    for file in files_of("platform") {
        let is_business = |path: &&NamedPath| {
            path.len() > 1
                && path[0] == "contracts"
                && ["tasks", "finance"].contains(&path[1].as_str())
        };
        wrong.extend(
            file.paths
                .iter()
                .filter(is_business)
                .map(|path| report("platform", &file, path)),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_rules_apply_to_folders_that_exist() {
    for service in SERVICES {
        for folder in ["domain", "store", "messaging", "app", "api", "web"] {
            let files = files_of(service);
            assert!(
                files.iter().any(|file| lies_in(&file.path, folder)),
                "{service} has no {folder}"
            );
        }
    }
}
