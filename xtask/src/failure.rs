//! A part that did not do what it should: which one, what to do, and the end of its log.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::files;

/// How many lines of a log are shown.
const TAIL_LINES: usize = 25;

/// What went wrong with one part, in words for the person at the terminal.
#[derive(Debug)]
pub(crate) struct Failure {
    part: String,
    sentence: String,
    log: Option<PathBuf>,
}

impl Failure {
    /// A failure that has nothing to show but its sentence.
    pub(crate) fn new(part: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self {
            part: part.into(),
            sentence: sentence.into(),
            log: None,
        }
    }

    /// The same with the end of `log`.
    pub(crate) fn with_log(self, log: &Path) -> Self {
        Self {
            log: Some(log.to_path_buf()),
            ..self
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.sentence)?;
        let Some(log) = &self.log else { return Ok(()) };
        write!(f, "\n  the end of {}:", log.display())?;
        for line in files::tail(log, TAIL_LINES) {
            write!(f, "\n  | {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
