//! Every file is short, says in one sentence what it is, and skips no test.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::workspace;

const LONGEST_SOURCE: usize = 400;
const LONGEST_TEST: usize = 600;

fn texts() -> impl Iterator<Item = (PathBuf, String)> {
    workspace::rust_files("").into_iter().map(|path| {
        let text = workspace::read(&path);
        (path, text)
    })
}

#[test]
fn files_stay_short() {
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        let longest = if workspace::is_test(&path) {
            LONGEST_TEST
        } else {
            LONGEST_SOURCE
        };
        let lines = text.lines().count();
        if lines > longest {
            wrong.push(format!(
                "{} has {lines} lines, at most {longest} are allowed",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_says_in_one_sentence_what_it_is() {
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        let sentence = text
            .lines()
            .map_while(|line| line.strip_prefix("//! "))
            .collect::<Vec<_>>()
            .join(" ");
        let is_sentence = sentence.ends_with(['.', ':', '`']) || sentence.contains(". ");
        if !is_sentence || sentence.contains("Placeholder") {
            wrong.push(format!("{}: {sentence:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_test_is_skipped_and_no_work_is_left_for_later() {
    // Each word is put together here, so that this file does not contain it.
    let banned = [
        ("#[", "ignore"),
        ("#[", "should_panic"),
        ("todo", "!("),
        ("unimplemented", "!("),
        ("TO", "DO"),
        ("FIX", "ME"),
    ];
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        for word in banned.map(|(head, tail)| format!("{head}{tail}")) {
            if text.contains(&word) {
                wrong.push(format!("{} contains {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_browser_tests_skip_nothing() {
    let is_spec = |path: &Path| path.to_string_lossy().ends_with(".spec.ts");
    for path in workspace::files("tests/browser", is_spec) {
        let text = workspace::read(&path);
        for word in ["test.skip", "test.only", "test.fixme", "waitForTimeout"] {
            assert!(!text.contains(word), "{} contains {word}", path.display());
        }
    }
}

#[test]
fn lock_files_name_no_place_to_download_from() {
    let mut locks = workspace::files("", |path| path.ends_with("package-lock.json"));
    locks.retain(|path| path.ends_with("package-lock.json"));
    assert!(!locks.is_empty(), "the browser tests have a lock file");
    for path in locks {
        let lock: Value =
            serde_json::from_str(&workspace::read(&path)).expect("a lock file is JSON");
        let packages = lock["packages"]
            .as_object()
            .expect("a lock file lists packages");
        for (name, package) in packages {
            assert!(
                package.get("resolved").is_none(),
                "{}: {name} names its registry",
                path.display()
            );
        }
    }
}

#[test]
fn every_crate_comes_from_the_one_registry() {
    let lock = workspace::read("Cargo.lock");
    let mut sources: Vec<&str> = lock
        .lines()
        .filter(|line| line.starts_with("source = "))
        .collect();
    sources.sort_unstable();
    sources.dedup();
    assert_eq!(sources.len(), 1, "{sources:?}");
    assert!(
        sources[0].starts_with("source = \"registry+"),
        "{sources:?}"
    );
}
