//! Looking for words, at a cost that does not grow with how often they occur.
//!
//! A word that few tasks contain is looked up in the index first, and the list is made of its hits. One
//! that very many contain is looked for while going along the order of the list, where the next hit is
//! never far. Each way would read the whole table for the other kind of word.

use platform::sql::statement;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::{domain::id::TaskNumber, store::StoreError};

/// From this many hits on a word counts as frequent.
const FREQUENT: usize = 10_000;

/// Fewer characters than this leave no trigram for the index of texts.
const TRIGRAM: usize = 3;

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// These tasks, and no others.
    Tasks(Vec<Uuid>),
    /// More than could be listed; their texts are like this.
    Frequent(Words),
}

/// Words to look for, ready for SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// What the text must be like; its parameter is `{}`.
    condition: &'static str,
    pub(super) pattern: String,
    /// The number that may be meant instead.
    pub(super) number: Option<i64>,
}

impl Words {
    /// Three characters and more are found anywhere in title, reference and description; fewer at the
    /// beginning of a title. The expressions are those of the indexes of `task_text`.
    fn new(text: &str) -> Self {
        let escaped = escape(text);
        let (condition, pattern) = if text.chars().count() < TRIGRAM {
            (
                "lower(task_text.title) LIKE lower({})",
                format!("{escaped}%"),
            )
        } else {
            (
                "(task_text.title || ' ' || coalesce(task_text.reference, '') || ' ' \
                 || task_text.description) ILIKE {}",
                format!("%{escaped}%"),
            )
        };
        Self {
            condition,
            pattern,
            number: number_in(text),
        }
    }

    /// The condition on the text, given the name of the parameter that holds the pattern.
    pub(super) fn condition(&self, parameter: &str) -> String {
        self.condition.replace("{}", parameter)
    }
}

/// Looks for tasks that contain `text`, or have it as their number.
pub async fn search(db: &impl ConnectionTrait, text: &str) -> Result<Found, StoreError> {
    let words = Words::new(text);
    let sql = format!(
        "(SELECT task_id AS id FROM task_text WHERE {condition} LIMIT {limit}) \
         UNION ALL SELECT id FROM task WHERE number = $2",
        condition = words.condition("$1"),
        limit = FREQUENT + 1,
    );
    let values = [words.pattern.clone().into(), words.number.into()];
    let rows = db.query_all_raw(statement(&sql, values)).await?;
    if rows.len() > FREQUENT {
        return Ok(Found::Frequent(words));
    }
    let ids = rows.iter().map(|row| row.try_get("", "id"));
    Ok(Found::Tasks(ids.collect::<Result<_, _>>()?))
}

/// The text with the wildcards of `LIKE` taken literally.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// The number that somebody looks for with `T-12`, `t-12` or `12`.
fn number_in(text: &str) -> Option<i64> {
    let number = text.parse::<TaskNumber>().map(TaskNumber::get);
    number.or_else(|_not_with_letter| text.parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_takes_wildcards_literally() {
        assert_eq!(Words::new("50%_\\").pattern, "%50\\%\\_\\\\%");
    }

    #[test]
    fn two_characters_are_looked_for_at_the_beginning() {
        assert_eq!(Words::new("ab").pattern, "ab%");
        assert_eq!(Words::new("abc").pattern, "%abc%");
    }

    #[test]
    fn a_number_is_found_with_or_without_its_letter() {
        assert_eq!(number_in("T-12"), Some(12));
        assert_eq!(number_in("12"), Some(12));
        assert_eq!(number_in("T-"), None);
        assert_eq!(number_in("99999999999999999999"), None);
    }
}
