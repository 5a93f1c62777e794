//! Tasks as the REST interface hands them to other services.

use platform::sql::statement;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use uuid::Uuid;

use super::{StoreError, entity::task, tasks::number_of};
use crate::domain::{id::TaskNumber, task::Task};

/// Everything other services may know of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    pub task: Task,
    pub number: TaskNumber,
    pub title: String,
    pub description: String,
    pub reference: Option<String>,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    #[sea_orm(nested)]
    task: task::Model,
    title: String,
    description: String,
    reference: Option<String>,
}

/// Those of `ids` that exist, in no particular order.
pub async fn by_ids(
    db: &impl ConnectionTrait,
    ids: Vec<Uuid>,
) -> Result<Vec<Exported>, StoreError> {
    read(db, "WHERE task.id = ANY($1)", [ids.into()]).await
}

/// Up to `limit` tasks in the order of their ids, after the given one.
pub async fn after(
    db: &impl ConnectionTrait,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Vec<Exported>, StoreError> {
    let limit = Value::from(i64::from(limit));
    match after {
        Some(id) => {
            read(
                db,
                "WHERE task.id > $1 ORDER BY task.id LIMIT $2",
                [id.into(), limit],
            )
            .await
        }
        None => read(db, "ORDER BY task.id LIMIT $1", [limit]).await,
    }
}

async fn read<const N: usize>(
    db: &impl ConnectionTrait,
    rest: &str,
    values: [Value; N],
) -> Result<Vec<Exported>, StoreError> {
    let sql = format!(
        "SELECT task.*, task_text.title, task_text.description, task_text.reference \
         FROM task JOIN task_text ON task_text.task_id = task.id {rest}"
    );
    let rows = Row::find_by_statement(statement(&sql, values))
        .all(db)
        .await?;
    rows.into_iter().map(Exported::try_from).collect()
}

impl TryFrom<Row> for Exported {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            number: number_of(row.task.id, row.task.number)?,
            task: row.task.try_into()?,
            title: row.title,
            description: row.description,
            reference: row.reference,
        })
    }
}
