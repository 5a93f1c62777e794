//! Text that is already HTML, kept apart from text that still has to be escaped.

use std::fmt;

use askama::filters::{Escaper, Html, HtmlSafe};

/// Markup that templates insert as it is.
///
/// Only this crate makes it, from constants and from text that went through `escape`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markup(String);

impl Markup {
    /// The caller vouches that `html` holds no unescaped text of a person.
    pub(super) fn new(html: String) -> Self {
        Self(html)
    }

    /// The HTML.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Markup {}

/// Escapes text for an element or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    match Html.write_escaped_str(&mut html, text) {
        Ok(()) => html,
        // Writing into a String does not fail; if it ever did, no text is better than raw text.
        Err(fmt::Error) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_special_characters_are_escaped() {
        let html = escape("<a href=\"x\" title='y'>&");
        assert!(!html.contains(['<', '>', '"', '\'']), "{html}");
        assert!(html.starts_with("&#60;a"), "{html}");
    }
}
