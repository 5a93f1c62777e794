//! What `doctor` found: one line per thing a deployment needs.

pub mod checks;

use std::{error::Error, fmt::Write as _, process::ExitCode};

use crate::errors::explain;

/// The findings, in the order in which they were made.
#[derive(Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
}

#[derive(Debug)]
struct Finding {
    subject: String,
    fault: Option<String>,
}

impl Report {
    /// Nothing looked at yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what a check of `subject` found.
    pub fn add<E: Error>(&mut self, subject: impl Into<String>, outcome: Result<(), E>) {
        self.findings.push(Finding {
            subject: subject.into(),
            fault: outcome.err().map(|error| explain(&error)),
        });
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.findings.iter().all(|finding| finding.fault.is_none())
    }

    /// The findings as lines of text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let written = match &finding.fault {
                None => writeln!(text, "ok     {}", finding.subject),
                Some(fault) => writeln!(text, "WRONG  {}: {fault}", finding.subject),
            };
            debug_assert!(written.is_ok(), "writing to a string cannot fail");
        }
        text
    }

    /// Prints the findings and gives the exit code: a failure when anything is wrong.
    #[expect(clippy::print_stdout, reason = "the output of a command for people")]
    pub fn print(&self) -> ExitCode {
        print!("{}", self.to_text());
        if self.is_healthy() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_with_its_causes() {
        let mut report = Report::new();
        report.add("settings", Ok::<_, std::io::Error>(()));
        let cause = crate::config::ConfigError::Invalid(Box::new(figment::Error::from(
            "no such key".to_owned(),
        )));
        report.add("file", Err(cause));
        assert!(!report.is_healthy());
        assert_eq!(
            report.to_text(),
            "ok     settings\nWRONG  file: the settings cannot be used: no such key\n"
        );
    }
}
