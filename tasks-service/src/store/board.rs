//! The lists of tasks that pages show: filtered, ordered, counted, page by page.
//!
//! By hand: each list must run along one index of `migrations/tasks`, whose predicates are literals.

use std::fmt;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use super::{StoreError, entity::task, people::Named, sql::statement, tasks::number_of};
use crate::domain::{
    id::{TaskNumber, UserId},
    task::Task,
};

/// Counting stops here: more is "10,000 and more" to a person, and costs milliseconds to the board.
pub const COUNT_LIMIT: i64 = 10_000;

/// The expression of the index `task_text_search`.
const SEARCHED: &str = "(task_text.title || ' ' || coalesce(task_text.reference, '') || ' ' \
     || task_text.description)";

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
    /// A part of title, reference or description, or the number.
    pub search: Option<String>,
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

/// A task in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub task: Task,
    pub number: TaskNumber,
    pub title: String,
    pub reference: Option<String>,
    /// The name of its performer, when the local copy knows it.
    pub performer: Option<Named>,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    #[sea_orm(nested)]
    task: task::Model,
    title: String,
    reference: Option<String>,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
}

impl TryFrom<Row> for Listed {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let name = (
            row.task.performer_id,
            row.username,
            row.first_name,
            row.last_name,
        );
        let performer = match name {
            (Some(user_id), Some(username), Some(first_name), Some(last_name)) => Some(Named {
                user_id,
                username,
                first_name,
                last_name,
            }),
            _ => None,
        };
        Ok(Self {
            number: number_of(row.task.id, row.task.number)?,
            task: row.task.try_into()?,
            title: row.title,
            reference: row.reference,
            performer,
        })
    }
}

/// How many tasks each view has under the same filter, each up to [`COUNT_LIMIT`] + 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub struct Counts {
    pub open: i64,
    pub done: i64,
    pub all: i64,
}

/// Rows of one page, and where the next begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub rows: Vec<Listed>,
    pub next: Option<Cursor>,
}

/// Reads one page.
pub async fn page(db: &impl ConnectionTrait, query: &Query) -> Result<Page, StoreError> {
    let key = SortKey::of(query);
    let mut conditions = Conditions::default();
    conditions.view(query.view);
    conditions.filter(&query.filter);
    if let Some(cursor) = query.after {
        conditions.after(key, cursor);
    }
    let sql = format!(
        "SELECT task.*, task_text.title, task_text.reference, \
             performer.username, performer.first_name, performer.last_name \
         FROM task JOIN task_text ON task_text.task_id = task.id \
         LEFT JOIN user_cache AS performer ON performer.user_id = task.performer_id \
         WHERE {conditions} ORDER BY {order} LIMIT {limit}",
        conditions = conditions.sql,
        order = key.order_by(),
        limit = u64::from(query.limit) + 1,
    );
    let statement = statement(&sql, conditions.values);
    let rows = Row::find_by_statement(statement).all(db).await?;
    let mut rows: Vec<Listed> = rows
        .into_iter()
        .map(Listed::try_from)
        .collect::<Result<_, _>>()?;
    let wanted = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > wanted;
    rows.truncate(wanted);
    let next = rows
        .last()
        .filter(|_| has_more)
        .map(|row| key.cursor_of(row));
    Ok(Page { rows, next })
}

/// Counts the views under `filter`; `done_since` says from when on completed tasks count.
pub async fn counts(
    db: &impl ConnectionTrait,
    filter: &Filter,
    done_since: DateTime<Utc>,
) -> Result<Counts, StoreError> {
    let mut values = Vec::new();
    let counted = [View::Open, View::DoneSince(done_since), View::All].map(|view| {
        let mut conditions = Conditions {
            sql: String::new(),
            values: std::mem::take(&mut values),
        };
        conditions.view(view);
        conditions.filter(filter);
        let sql = format!(
            "(SELECT count(*) FROM (SELECT FROM task JOIN task_text ON task_text.task_id = task.id \
             WHERE {conditions} LIMIT {limit}) AS counted)",
            conditions = conditions.sql,
            limit = COUNT_LIMIT + 1,
        );
        values = conditions.values;
        sql
    });
    let [open, done, all] = counted;
    let sql = format!("SELECT {open} AS open, {done} AS done, {all} AS \"all\"");
    let counts = Counts::find_by_statement(statement(&sql, values))
        .one(db)
        .await?;
    counts
        .ok_or_else(|| sea_orm::DbErr::RecordNotFound("the counts of the board".to_owned()).into())
}

/// What a list is ordered by, and which way.
#[derive(Debug, Clone, Copy)]
struct SortKey {
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
    fn of(query: &Query) -> Self {
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

    fn order_by(self) -> String {
        let direction = match self.direction {
            Direction::Ascending => "ASC",
            Direction::Descending => "DESC",
        };
        match self.time() {
            Some(time) => format!("{time} {direction}, task.number {direction}"),
            None => format!("task.number {direction}"),
        }
    }

    fn cursor_of(self, row: &Listed) -> Cursor {
        let at = match self.column {
            Column::Number => None,
            Column::Assigned => Some(row.task.assigned_at().unwrap_or(row.task.created_at)),
            Column::Closed => row.task.closed_at(),
        };
        Cursor {
            at,
            number: row.number,
        }
    }
}

/// A growing `WHERE` with its parameters.
#[derive(Debug, Default)]
struct Conditions {
    sql: String,
    values: Vec<Value>,
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

    fn view(&mut self, view: View) {
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

    fn filter(&mut self, filter: &Filter) {
        if let Some(performer) = filter.performer {
            let performer = self.bind(performer.0);
            self.and(&format!("task.performer_id = {performer}"));
        }
        if let Some(search) = &filter.search {
            self.search(search);
        }
    }

    /// Three characters and more are looked up in the index of trigrams, which knows nothing of less;
    /// fewer are looked for while going along the order of the list.
    fn search(&mut self, text: &str) {
        let pattern = self.bind(contains(text));
        let number = self.bind(number_in(text));
        if text.chars().count() < 3 {
            self.and(&format!(
                "({SEARCHED} ILIKE {pattern} OR task.number = {number})"
            ));
        } else {
            self.and(&format!(
                "task.id IN (SELECT task_id FROM task_text WHERE {SEARCHED} ILIKE {pattern} \
                 UNION ALL SELECT id FROM task WHERE number = {number})"
            ));
        }
    }

    fn after(&mut self, key: SortKey, cursor: Cursor) {
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

/// A pattern for `ILIKE` that matches whatever contains `text` as it stands.
fn contains(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// The number that somebody looks for with `T-12`, `t-12` or `12`.
fn number_in(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse::<TaskNumber>()
        .map(TaskNumber::get)
        .or_else(|_| text.parse())
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_takes_wildcards_literally() {
        assert_eq!(contains("50%_\\"), "%50\\%\\_\\\\%");
    }

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

    #[test]
    fn a_number_is_found_with_or_without_its_letter() {
        assert_eq!(number_in(" T-12 "), Some(12));
        assert_eq!(number_in("12"), Some(12));
        assert_eq!(number_in("T-"), None);
        assert_eq!(number_in("99999999999999999999"), None);
    }
}
