//! Tasks as the REST interface hands them to other services.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use uuid::Uuid;

use super::{StoreError, entity::Phase, sql::statement};

/// Everything other services may know of a task.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Exported {
    pub id: Uuid,
    pub number: i64,
    pub title: String,
    pub description: String,
    pub reference: Option<String>,
    pub state: Phase,
    pub author_id: Uuid,
    pub performer_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub last_event_at: DateTime<Utc>,
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
        "SELECT task.id, task.number, task_text.title, task_text.description, \
             task_text.reference, task.state, task.author_id, task.performer_id, \
             task.created_at, task.last_event_at \
         FROM task JOIN task_text ON task_text.task_id = task.id {rest}"
    );
    Ok(Exported::find_by_statement(statement(&sql, values))
        .all(db)
        .await?)
}
