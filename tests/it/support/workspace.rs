//! Finds the files of this repository, so that tests can look at the repository itself.

use std::{
    ffi::OsStr,
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
        let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries(&directory)
            .into_iter()
            .partition(|path| path.is_dir());
        let is_own = |path: &PathBuf| {
            !FOREIGN_FOLDERS
                .iter()
                .any(|foreign| path.ends_with(foreign))
        };
        pending.extend(folders.into_iter().filter(is_own));
        let relative = files
            .iter()
            .filter_map(|path| path.strip_prefix(&root).ok());
        found.extend(relative.filter(|path| wanted(path)).map(Path::to_path_buf));
    }
    found.sort();
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| entry.expect("a folder's entry is readable").path())
        .collect()
}

/// Every Rust file below `folder`, relative to the root.
pub(crate) fn rust_files(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    files(folder, |path| {
        path.extension().is_some_and(|extension| extension == "rs")
    })
}

/// Whether all of `path` is test code: by its name, or because its module is compiled for tests only.
///
/// Unit tests at the end of a source file count as source.
pub(crate) fn is_test(path: &Path) -> bool {
    let is_named_so = |part: &OsStr| part == "tests" || part == "tests.rs";
    path.starts_with("tests")
        || path.iter().any(is_named_so)
        || path.ancestors().any(is_declared_for_tests)
}

/// Whether the module at `path`, a file or a folder, is declared under `#[cfg(test)]` beside it.
fn is_declared_for_tests(path: &Path) -> bool {
    let (Some(folder), Some(name)) = (path.parent(), path.file_stem()) else {
        return false;
    };
    let declaration = format!("mod {};", name.to_string_lossy());
    ["mod.rs", "lib.rs"].iter().any(|file| {
        let text = fs::read_to_string(root().join(folder).join(file)).unwrap_or_default();
        let mut lines = text
            .lines()
            .skip_while(|line| line.trim() != "#[cfg(test)]");
        lines
            .nth(1)
            .is_some_and(|line| line.ends_with(&declaration))
    })
}
