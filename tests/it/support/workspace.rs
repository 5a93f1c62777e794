//! Finds the files of this repository, so that tests can look at the repository itself.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders that hold nothing written for this repository.
const FOREIGN_FOLDERS: [&str; 6] = [
    ".git",
    "node_modules",
    "target",
    "vendor",
    "test-results",
    "playwright-report",
];

/// The folder that holds the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests' crate lies in a folder of the workspace")
        .to_path_buf()
}

/// The text of the file at `path`, relative to the root.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below `folder` that satisfies `wanted`, sorted, relative to the root.
pub(crate) fn files(folder: impl AsRef<Path>, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let root = root();
    let mut found = Vec::new();
    let mut pending = vec![root.join(folder)];
    while let Some(directory) = pending.pop() {
        let entries = fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        for entry in entries {
            let path = entry.expect("a folder's entry is readable").path();
            let relative = path
                .strip_prefix(&root)
                .expect("the walk stays below the root")
                .to_path_buf();
            if path.is_dir() {
                if !FOREIGN_FOLDERS
                    .iter()
                    .any(|foreign| path.ends_with(foreign))
                {
                    pending.push(path);
                }
            } else if wanted(&relative) {
                found.push(relative);
            }
        }
    }
    found.sort();
    found
}

/// Every Rust file below `folder`, relative to the root.
pub(crate) fn rust_files(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    files(folder, |path| {
        path.extension().is_some_and(|extension| extension == "rs")
    })
}

/// Whether all of `path` is test code; unit tests at the end of a source file count as source.
pub(crate) fn is_test(path: &Path) -> bool {
    path.starts_with("tests")
        || path
            .iter()
            .any(|part| part == "tests" || part == "tests.rs")
}
