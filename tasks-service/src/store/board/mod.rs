//! The lists of tasks that pages show: filtered, ordered, counted, page by page.
//!
//! By hand: each list must run along one index of `migrations/tasks`, whose predicates are literals.

mod query;
mod search;

use chrono::{DateTime, Utc};
use platform::sql::statement;
use sea_orm::{ConnectionTrait, FromQueryResult};

use self::query::{Conditions, SortKey};
pub use self::{
    query::{Cursor, Filter, Order, Query, View},
    search::{Found, search},
};
use super::{StoreError, entity::task, people::Named, tasks::number_of};
use crate::domain::{id::TaskNumber, task::Task};

/// Counting stops here: more is "10,000 and more" to a person, and costs milliseconds to the board.
pub const COUNT_LIMIT: i64 = 10_000;
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
///
/// What a frequent word hits is not counted, since only reading everything could tell.
pub async fn counts(
    db: &impl ConnectionTrait,
    filter: &Filter,
    done_since: DateTime<Utc>,
) -> Result<Option<Counts>, StoreError> {
    if matches!(filter.found, Some(Found::Frequent(_))) {
        return Ok(None);
    }
    let mut values = Vec::new();
    let counted = [View::Open, View::DoneSince(done_since), View::All].map(|view| {
        let mut conditions = Conditions {
            sql: String::new(),
            values: std::mem::take(&mut values),
        };
        conditions.view(view);
        conditions.filter(filter);
        let sql = format!(
            "(SELECT count(*) FROM (SELECT FROM task WHERE {conditions} LIMIT {limit}) AS counted)",
            conditions = conditions.sql,
            limit = COUNT_LIMIT + 1,
        );
        values = conditions.values;
        sql
    });
    let [open, done, all] = counted;
    let sql = format!("SELECT {open} AS open, {done} AS done, {all} AS \"all\"");
    Ok(Counts::find_by_statement(statement(&sql, values))
        .one(db)
        .await?)
}
