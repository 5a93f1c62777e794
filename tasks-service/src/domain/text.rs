//! What a task says: title, description and the key of an external tracker, within their limits (T1).

/// Longest title, in characters.
pub const TITLE_MAX: usize = 200;
/// Longest description, in characters, line ends counted once.
pub const DESCRIPTION_MAX: usize = 10_000;
/// Longest reference, in characters.
pub const REFERENCE_MAX: usize = 50;

/// Why a text cannot be taken. The words are for the person who typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing to read in it.
    #[error("Say in a few words what needs to be done.")]
    Empty,
    /// Longer than its limit.
    #[error("At most {max} characters; this has {actual}.")]
    TooLong { max: usize, actual: usize },
    /// A character that cannot be shown.
    #[error("Contains a character that cannot be shown.")]
    Unprintable,
    /// A reference is one word of letters, digits and `- _ . / #`.
    #[error("A reference is one word such as ABC-123.")]
    NotAReference,
}

/// One line of 1 to 200 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(String);

impl Title {
    /// Runs of white space become one space, as a browser would show them.
    pub fn try_new(text: &str) -> Result<Self, TextError> {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if !line.chars().any(is_visible) {
            return Err(TextError::Empty);
        }
        within(TITLE_MAX, &line)?;
        if line.chars().any(char::is_control) {
            return Err(TextError::Unprintable);
        }
        Ok(Self(line))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Up to 10,000 characters of Markdown; may be empty. Shown only after sanitising.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// Line ends become `\n`: browsers send two characters for each, which must not count against the limit.
    pub fn try_new(text: &str) -> Result<Self, TextError> {
        let text = text
            .replace("\r\n", "\n")
            .replace('\r', "\n")
            .trim_end()
            .to_owned();
        within(DESCRIPTION_MAX, &text)?;
        if text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t')
        {
            return Err(TextError::Unprintable);
        }
        Ok(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key of a ticket in another tracker, such as `ABC-123`: one word, kept apart from the title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference(String);

impl Reference {
    /// An empty text is no reference; that is the caller's `None`.
    pub fn try_new(text: &str) -> Result<Self, TextError> {
        within(REFERENCE_MAX, text)?;
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '#');
        if text.is_empty() || !text.chars().all(allowed) {
            return Err(TextError::NotAReference);
        }
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Everything about a task that its author writes and may edit later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub title: Title,
    pub description: Description,
    pub reference: Option<Reference>,
}

/// The three texts as they were typed, before any rule looked at them.
#[derive(Debug, Clone, Copy)]
pub struct Typed<'a> {
    pub title: &'a str,
    pub description: &'a str,
    pub reference: &'a str,
}

/// What is wrong with each text, for showing beside its field; at least one is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the texts of the task are not acceptable")]
pub struct ContentErrors {
    pub title: Option<TextError>,
    pub description: Option<TextError>,
    pub reference: Option<TextError>,
}

impl Content {
    /// Checks all three texts, so that a person sees every mistake at once.
    pub fn try_new(typed: Typed<'_>) -> Result<Self, ContentErrors> {
        let reference = match typed.reference.trim() {
            "" => Ok(None),
            text => Reference::try_new(text).map(Some),
        };
        match (
            Title::try_new(typed.title),
            Description::try_new(typed.description),
            reference,
        ) {
            (Ok(title), Ok(description), Ok(reference)) => Ok(Self {
                title,
                description,
                reference,
            }),
            (title, description, reference) => Err(ContentErrors {
                title: title.err(),
                description: description.err(),
                reference: reference.err(),
            }),
        }
    }

    /// Which texts differ in `new`.
    #[must_use]
    pub fn changes_to(&self, new: &Self) -> Vec<Field> {
        let title = (self.title != new.title).then_some(Field::Title);
        let description = (self.description != new.description).then_some(Field::Description);
        let reference = (self.reference != new.reference).then_some(Field::Reference);
        [title, description, reference]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// One of the texts of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Title,
    Description,
    Reference,
}

fn within(max: usize, text: &str) -> Result<(), TextError> {
    let actual = text.chars().count();
    if actual > max {
        Err(TextError::TooLong { max, actual })
    } else {
        Ok(())
    }
}

/// White space, control characters and the invisible marks of Unicode leave nothing to click on.
fn is_visible(c: char) -> bool {
    let invisible = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}');
    !(c.is_whitespace() || c.is_control() || invisible)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(text: &str) -> Result<String, TextError> {
        Title::try_new(text).map(|title| title.0)
    }

    #[test]
    fn a_title_is_one_visible_line_of_up_to_200_characters() {
        assert_eq!(title("  Fix\r\n the\tpump "), Ok("Fix the pump".to_owned()));
        assert_eq!(title(&"ü".repeat(200)).map(|t| t.chars().count()), Ok(200));
        assert_eq!(
            title(&"ü".repeat(201)),
            Err(TextError::TooLong {
                max: 200,
                actual: 201
            })
        );
        for empty in ["", "   ", "\n", "\u{200b}\u{feff}"] {
            assert_eq!(title(empty), Err(TextError::Empty), "{empty:?}");
        }
        assert_eq!(title("null \0 byte"), Err(TextError::Unprintable));
    }

    #[test]
    fn a_description_counts_a_line_end_once() {
        let text = "a\r\n".repeat(5_000);
        let description = Description::try_new(&text).map(|d| d.0.chars().count());
        assert_eq!(description, Ok(9_999));
        let long = Description::try_new(&"x".repeat(10_001));
        assert_eq!(
            long,
            Err(TextError::TooLong {
                max: 10_000,
                actual: 10_001
            })
        );
        assert_eq!(Description::try_new("\0"), Err(TextError::Unprintable));
        assert_eq!(Description::try_new(""), Ok(Description::default()));
    }

    #[test]
    fn a_reference_is_one_word() {
        for good in ["ABC-123", "#42", "team/repo#7", "ÄB_1.2"] {
            assert_eq!(Reference::try_new(good).map(|r| r.0), Ok(good.to_owned()));
        }
        for bad in ["", "two words", "<b>", "a\0"] {
            assert_eq!(
                Reference::try_new(bad),
                Err(TextError::NotAReference),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn changes_name_the_texts_that_differ() {
        let content = |title, description, reference| {
            Content::try_new(Typed {
                title,
                description,
                reference,
            })
            .unwrap()
        };
        let old = content("Fix", "", "");
        assert_eq!(old.changes_to(&old), []);
        assert_eq!(
            old.changes_to(&content("Fix", "more", "ABC-1")),
            [Field::Description, Field::Reference]
        );
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let errors = Content::try_new(Typed {
            title: "",
            description: "\0",
            reference: "a b",
        });
        let expected = ContentErrors {
            title: Some(TextError::Empty),
            description: Some(TextError::Unprintable),
            reference: Some(TextError::NotAReference),
        };
        assert_eq!(errors, Err(expected));
    }
}
