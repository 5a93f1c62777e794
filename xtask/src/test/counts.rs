//! How many tests passed and failed, read from the reports of the test runners.

use std::{fs, ops::Add, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The outcome of some tests. Skipped ones count as neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
        }
    }
}

/// Reads the `JUnit` report that nextest writes.
pub(super) fn nextest(report: &Path) -> Result<Counts> {
    let text = fs::read_to_string(report)
        .with_context(|| format!("nextest left no {}", report.display()))?;
    junit(&text).with_context(|| format!("{} is not a JUnit report", report.display()))
}

fn junit(text: &str) -> Option<Counts> {
    let (_, rest) = text.split_once("<testsuites ")?;
    let (root, _) = rest.split_once('>')?;
    let number = |name: &str| {
        root.split_once(&format!("{name}=\""))?
            .1
            .split('"')
            .next()?
            .parse::<u64>()
            .ok()
    };
    let failed = number("failures")? + number("errors")?;
    Some(Counts {
        passed: number(" tests")
            .or_else(|| number("tests"))?
            .checked_sub(failed)?,
        failed,
    })
}

/// Reads the JSON report that Playwright writes.
pub(super) fn playwright(report: &Path) -> Result<Counts> {
    let text = fs::read_to_string(report)
        .with_context(|| format!("Playwright left no {}", report.display()))?;
    let report: Value = serde_json::from_str(&text)?;
    let number = |name: &str| {
        report
            .pointer(&format!("/stats/{name}"))
            .and_then(Value::as_u64)
            .unwrap_or_default()
    };
    Ok(Counts {
        passed: number("expected") + number("flaky"),
        failed: number("unexpected"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_a_junit_report_is_read() {
        let report = r#"<?xml version="1.0"?>
            <testsuites name="nextest-run" tests="7" failures="1" errors="1" uuid="x" time="1.0">
                <testsuite name="a" tests="3" disabled="0" errors="0" failures="0"></testsuite>"#;
        assert_eq!(
            junit(report),
            Some(Counts {
                passed: 5,
                failed: 2
            })
        );
        assert_eq!(junit("<html>"), None);
    }
}
