//! Names of things: the ids of tasks and people, and the number people call a task by.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// Which task. The same id is used in every message and in the REST interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub Uuid);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which person, as the identity provider names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub Uuid);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number people use for a task: positive, never reused, written `T-123`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskNumber(i64);

/// The text is not a task number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a task number, which looks like T-123")]
pub struct NotATaskNumber;

impl TaskNumber {
    /// Accepts what the database numbers tasks with: anything from one.
    pub fn try_new(number: i64) -> Result<Self, NotATaskNumber> {
        if number > 0 {
            Ok(Self(number))
        } else {
            Err(NotATaskNumber)
        }
    }

    /// The bare number, as the database keeps it.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for TaskNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T-{}", self.0)
    }
}

impl FromStr for TaskNumber {
    type Err = NotATaskNumber;

    /// Reads `T-123` and, as people type it, `t-123`. A sign or leading zeros are refused, so that
    /// every task has one address.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text
            .strip_prefix("T-")
            .or_else(|| text.strip_prefix("t-"))
            .ok_or(NotATaskNumber)?;
        if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotATaskNumber);
        }
        digits
            .parse()
            .map_err(|_overflow| NotATaskNumber)
            .and_then(Self::try_new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_back_what_it_writes() {
        let number = TaskNumber::try_new(4846).unwrap();
        assert_eq!(number.to_string(), "T-4846");
        assert_eq!("T-4846".parse(), Ok(number));
        assert_eq!("t-4846".parse(), Ok(number));
    }

    #[test]
    fn garbage_is_no_number() {
        for text in [
            "",
            "T-",
            "T-0",
            "T-007",
            "T-+7",
            "T--7",
            "7",
            "T-7 ",
            "T-99999999999999999999",
            "X-7",
            "Т-7",
        ] {
            assert_eq!(text.parse::<TaskNumber>(), Err(NotATaskNumber), "{text:?}");
        }
    }
}
