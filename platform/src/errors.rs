//! An error with all its causes in one line, for logs and for people.

use std::error::Error;

/// The texts of `error` and of everything that caused it, joined by colons.
#[must_use]
pub fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        // Some libraries repeat the cause in their own text.
        if !text.ends_with(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the outside failed")]
    struct Outside(#[source] std::fmt::Error);

    #[test]
    fn the_cause_follows_its_consequence() {
        let text = explain(&Outside(std::fmt::Error));
        assert!(text.starts_with("the outside failed: "), "{text}");
    }
}
