//! The task cache: the titles and numbers that explain transfers (DESIGN.md section 6).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use platform::{
    fetch::{self, Owed},
    sql::{execute, statement},
};
use sea_orm::{ConnectionTrait, DatabaseTransaction, FromQueryResult};
use uuid::Uuid;

use crate::store::{DatabaseResult, StoreError, column};

/// What the task board answered for one task.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct CachedTask {
    /// The task.
    pub task: Uuid,
    /// The number people call it by.
    pub number: i64,
    /// Its title.
    pub title: String,
    /// The timestamp of the event it was fetched for.
    pub guard: DateTime<Utc>,
}

/// The kind of the notes of fetches.
pub const KIND: &str = "task";

/// The condition of a note: no later event of the task is applied already.
pub(super) const NOTHING_NEWER: &str =
    "NOT EXISTS (SELECT FROM task_cache WHERE task_uuid = o.id AND guard > o.at)";

/// Notes fetches, except of tasks of which a later event is applied already.
pub async fn owe(
    txn: &DatabaseTransaction,
    owed: &[Owed],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    Ok(fetch::note_if(txn, KIND, owed, now, NOTHING_NEWER).await?)
}

/// Those of the given tasks that are cached.
pub async fn find(
    db: &impl ConnectionTrait,
    tasks: Vec<Uuid>,
) -> DatabaseResult<HashMap<Uuid, CachedTask>> {
    let sql =
        "SELECT task_uuid AS task, number, title, guard FROM task_cache WHERE task_uuid = ANY($1)";
    let rows = CachedTask::find_by_statement(statement(sql, [tasks.into()]))
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|cached| (cached.task, cached))
        .collect())
}

/// Keeps what was fetched, unless a later event is applied already.
pub async fn save(
    txn: &DatabaseTransaction,
    tasks: &[CachedTask],
    fetched_at: DateTime<Utc>,
) -> DatabaseResult {
    let sql = "\
        INSERT INTO task_cache (task_uuid, number, title, guard, fetched_at) \
        SELECT fetched.*, $5 \
        FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[]) \
            AS fetched (task, number, title, guard) \
        ORDER BY task \
        ON CONFLICT (task_uuid) DO UPDATE SET \
            number = excluded.number, title = excluded.title, \
            guard = excluded.guard, fetched_at = excluded.fetched_at \
        WHERE task_cache.guard <= excluded.guard";
    let values = [
        column(tasks, |task| task.task),
        column(tasks, |task| task.number),
        column(tasks, |task| task.title.clone()),
        column(tasks, |task| task.guard),
        fetched_at.into(),
    ];
    execute(txn, sql, values).await.map(drop)
}
