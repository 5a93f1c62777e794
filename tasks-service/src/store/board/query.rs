//! What a list of tasks shows and in which order, as SQL.

use std::fmt;

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::{Listed, search::Found};
use crate::domain::id::{TaskNumber, UserId};

/// Which tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Waiting for or with a performer.
    Open,
    /// Completed, at or after the given instant.
    DoneSince(DateTime<Utc>),
    /// Everything, cancelled tasks too.
    All,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Filed last first; of completed tasks, completed last first.
    Newest,
    /// The other way round.
    Oldest,
    /// Handed out last first.
    RecentlyAssigned,
}

/// Only tasks like this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// What the search came to, when there was one.
    pub found: Option<Found>,
    pub performer: Option<UserId>,
}

/// The last task of a page: the next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The time that the order goes by; absent where it goes by number.
    pub at: Option<DateTime<Utc>>,
    pub number: TaskNumber,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{}_{}", at.timestamp_micros(), self.number.get()),
            None => write!(f, "{}", self.number.get()),
        }
    }
}

impl Cursor {
    /// Reads what [`Display`](fmt::Display) wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (at, number) = match text.split_once('_') {
            Some((micros, number)) => {
                let at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
                (Some(at), number)
            }
            None => (None, text),
        };
        let number = TaskNumber::try_new(number.parse().ok()?).ok()?;
        Some(Self { at, number })
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub view: View,
    pub order: Order,
    pub filter: Filter,
    pub after: Option<Cursor>,
    pub limit: u32,
}

/// What a list is ordered by, and which way.
#[derive(Debug, Clone, Copy)]
pub(super) struct SortKey {
    column: Column,
    direction: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Number,
    Assigned,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ascending,
    Descending,
}

impl SortKey {
    pub(super) fn of(query: &Query) -> Self {
        let column = match (query.view, query.order) {
            (View::DoneSince(_), _) => Column::Closed,
            (_, Order::RecentlyAssigned) => Column::Assigned,
            (_, Order::Newest | Order::Oldest) => Column::Number,
        };
        let direction = match query.order {
            Order::Newest | Order::RecentlyAssigned => Direction::Descending,
            Order::Oldest => Direction::Ascending,
        };
        Self { column, direction }
    }

    /// The time of the order as SQL; none where it goes by number alone.
    fn time(self) -> Option<&'static str> {
        match self.column {
            Column::Number => None,
            Column::Assigned => Some("coalesce(task.assigned_at, task.created_at)"),
            Column::Closed => Some("task.closed_at"),
        }
    }

    pub(super) fn order_by(self) -> String {
        let direction = match self.direction {
            Direction::Ascending => "ASC",
            Direction::Descending => "DESC",
        };
        match self.time() {
            Some(time) => format!("{time} {direction}, task.number {direction}"),
            None => format!("task.number {direction}"),
        }
    }

    pub(super) fn cursor_of(self, row: &Listed) -> Cursor {
        let at = match self.column {
            Column::Number => None,
            Column::Assigned => Some(row.task.state.assigned_at().unwrap_or(row.task.created_at)),
            Column::Closed => row.task.state.closed_at(),
        };
        Cursor {
            at,
            number: row.number,
        }
    }
}

/// A growing `WHERE` with its parameters.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    fn and(&mut self, condition: &str) {
        if !self.sql.is_empty() {
            self.sql.push_str(" AND ");
        }
        self.sql.push_str(condition);
    }

    /// Adds a parameter and returns its name.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    pub(super) fn view(&mut self, view: View) {
        match view {
            View::Open => self.and("task.state IN ('waiting', 'open')"),
            View::DoneSince(since) => {
                let since = self.bind(since);
                self.and(&format!(
                    "task.state = 'completed' AND task.closed_at >= {since}"
                ));
            }
            View::All => self.and("true"),
        }
    }

    pub(super) fn filter(&mut self, filter: &Filter) {
        if let Some(performer) = filter.performer {
            let performer = self.bind(performer.0);
            self.and(&format!("task.performer_id = {performer}"));
        }
        match &filter.found {
            None => {}
            Some(Found::Tasks(ids)) => {
                let ids = self.bind(ids.clone());
                self.and(&format!("task.id = ANY({ids})"));
            }
            Some(Found::Frequent(words)) => {
                let pattern = self.bind(words.pattern.clone());
                let number = self.bind(words.number);
                let text = words.condition(&pattern);
                self.and(&format!("({text} OR task.number = {number})"));
            }
        }
    }

    pub(super) fn after(&mut self, key: SortKey, cursor: Cursor) {
        let comparison = match key.direction {
            Direction::Ascending => ">",
            Direction::Descending => "<",
        };
        let number = self.bind(cursor.number.get());
        match key.time().zip(cursor.at) {
            Some((time, at)) => {
                let at = self.bind(at);
                self.and(&format!(
                    "({time}, task.number) {comparison} ({at}, {number})"
                ));
            }
            None => self.and(&format!("task.number {comparison} {number}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_what_it_writes_and_nothing_else() {
        let number = TaskNumber::try_new(7).unwrap();
        for at in [None, DateTime::from_timestamp_micros(1_800_000_000_000_001)] {
            let cursor = Cursor { at, number };
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
        for text in [
            "",
            "_",
            "0",
            "-1",
            "7_",
            "x_7",
            "99999999999999999999_7",
            "7 OR 1=1",
        ] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
