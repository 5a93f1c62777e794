//! Tasks: the aggregate in and out of its row, alone or in batches.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use platform::{
    outbox::{self, OutboxMessage},
    sql::{execute, statement},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::{LockBehavior, LockType},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    StoreError,
    entity::{Phase, task, task_text},
    history, performers, rows,
};
use crate::domain::{
    assignment::Eligibility,
    event::Event,
    id::{TaskId, TaskNumber, UserId},
    task::{Assignment, State, Task},
    text::{Content, Typed},
};

/// A new task with everything that is written along with it.
#[derive(Debug)]
pub struct Filing<'a> {
    pub task: &'a Task,
    pub content: &'a Content,
    pub events: &'a [Event],
    pub messages: &'a [OutboxMessage],
}

/// A task that changed, with what happened to it.
#[derive(Debug)]
pub struct Change {
    pub task: Task,
    pub event: Event,
}

/// The statement of [`file()`]: history, task, texts, rule, and from `$14` on the outbox.
static FILE: LazyLock<String> = LazyLock::new(|| {
    let eligible = performers::eligible_sql("$12", "$13");
    let messages = outbox::insert_if_sql(14, "EXISTS (SELECT FROM filed)");
    format!(
        "WITH filed AS ( \
             INSERT INTO task \
                 (id, author_id, state, performer_id, assigned_at, created_at, last_event_at) \
             SELECT $2, $3, $4, $5, $6, $7, $8 \
             WHERE $5::uuid IS NULL \
                 OR EXISTS (SELECT FROM user_cache WHERE user_id = $5 AND {eligible}) \
             ON CONFLICT (id) DO NOTHING RETURNING id, number), \
         texts AS ( \
             INSERT INTO task_text (task_id, title, description, reference) \
             SELECT id, $9, $10, $11 FROM filed), \
         events AS (INSERT INTO task_history SELECT event.* FROM filed, {events}), \
         messages AS ({messages}) \
         SELECT number FROM filed",
        events = history::ROWS,
    )
});

/// Writes a new task with its texts, history and messages; `None` when nothing was written, because the
/// id is taken or its performer is no longer eligible.
///
/// By hand and as one statement, which is one transaction: the path that has to keep up with the bare
/// insert (DESIGN.md section 11) cannot afford a round trip per table. The check of the performer makes
/// up for a draw among people as they were a few seconds ago.
pub async fn file(
    db: &impl ConnectionTrait,
    filing: Filing<'_>,
    rule: &Eligibility,
) -> Result<Option<TaskNumber>, StoreError> {
    let task = filing.task;
    let content = filing.content;
    let state = StateColumns::of(task.state);
    let reference = content
        .reference
        .as_ref()
        .map(|reference| reference.as_str().to_owned());
    let mut values = vec![rows(&history::rows(filing.events))?];
    values.extend([
        task.id.0.into(),
        task.author.0.into(),
        state.state.into(),
        state.performer_id.into(),
        state.assigned_at.into(),
        task.created_at.into(),
        task.last_event_at.into(),
        content.title.as_str().into(),
        content.description.as_str().into(),
        reference.into(),
        rule.roles.clone().into(),
        rule.excluded_roles.clone().into(),
    ]);
    values.extend(outbox::parameters(filing.messages)?);
    let row = db.query_one_raw(statement(&FILE, values)).await?;
    row.map(|row| number_of(task.id.0, row.try_get("", "number")?))
        .transpose()
}

/// The task for a change: nobody else changes it until the transaction ends.
pub async fn lock(txn: &DatabaseTransaction, id: TaskId) -> Result<Option<Task>, StoreError> {
    let row = task::Entity::find_by_id(id.0)
        .lock_exclusive()
        .one(txn)
        .await?;
    row.map(Task::try_from).transpose()
}

/// The oldest waiting tasks, locked; those that another replica works on are left to it.
pub async fn lock_waiting(txn: &DatabaseTransaction, limit: u64) -> Result<Vec<Task>, StoreError> {
    let rows = task::Entity::find()
        .filter(task::Column::State.eq(Phase::Waiting))
        .order_by_asc(task::Column::Number)
        .limit(limit)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(txn)
        .await?;
    rows.into_iter().map(Task::try_from).collect()
}

/// Open tasks of people who may not have any (T5), locked, in no particular order; those of another
/// replica are left to it.
///
/// By hand: it starts from the few who are not eligible and looks up their tasks by index. A plain join
/// would walk through all open tasks, since nothing tells the planner how few those people are.
pub async fn lock_lost(
    txn: &DatabaseTransaction,
    rule: &Eligibility,
    limit: u64,
) -> Result<Vec<Task>, StoreError> {
    let sql = format!(
        "SELECT lost.* FROM user_cache CROSS JOIN LATERAL ( \
             SELECT * FROM task WHERE performer_id = user_cache.user_id AND state = 'open' \
             LIMIT $3 FOR UPDATE SKIP LOCKED) AS lost \
         WHERE NOT ({eligible}) LIMIT $3",
        eligible = performers::eligible_sql("$1", "$2"),
    );
    let values = [
        rule.roles.clone().into(),
        rule.excluded_roles.clone().into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let rows = task::Model::find_by_statement(statement(&sql, values))
        .all(txn)
        .await?;
    rows.into_iter().map(Task::try_from).collect()
}

/// The statement of [`save`]: history, tasks, and from `$3` on the outbox.
static SAVE: LazyLock<String> = LazyLock::new(|| {
    let messages = outbox::insert_sql(3);
    format!(
        "WITH changed AS ( \
             UPDATE task SET state = new.state, performer_id = new.performer_id, \
                 assigned_at = new.assigned_at, closed_at = new.closed_at, \
                 last_event_at = new.last_event_at \
             FROM json_populate_recordset(NULL::task, $2::json) AS new WHERE task.id = new.id), \
         events AS (INSERT INTO task_history SELECT event.* FROM {events}) \
         {messages}",
        events = history::ROWS,
    )
});

/// The part of a row that [`save`] writes.
#[derive(Debug, Serialize)]
struct Changed {
    id: Uuid,
    last_event_at: DateTime<Utc>,
    #[serde(flatten)]
    state: StateColumns,
}

/// Writes tasks that were locked by the same transaction, what happened to each, and what the world is
/// told of it.
///
/// By hand and by sets: one task or a thousand cost one round trip.
pub async fn save(
    txn: &DatabaseTransaction,
    changes: &[Change],
    messages: &[OutboxMessage],
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let changed: Vec<_> = changes
        .iter()
        .map(|Change { task, .. }| Changed {
            id: task.id.0,
            last_event_at: task.last_event_at,
            state: StateColumns::of(task.state),
        })
        .collect();
    let events = history::rows(changes.iter().map(|change| &change.event));
    let mut values = vec![rows(&events)?, rows(&changed)?];
    values.extend(outbox::parameters(messages)?);
    execute(txn, &SAVE, values).await?;
    Ok(())
}

/// What the task says.
pub async fn content(db: &impl ConnectionTrait, id: TaskId) -> Result<Option<Content>, StoreError> {
    let row = task_text::Entity::find_by_id(id.0).one(db).await?;
    row.map(Content::try_from).transpose()
}

/// Replaces what the task says.
pub async fn save_content(
    txn: &DatabaseTransaction,
    id: TaskId,
    content: &Content,
) -> Result<(), StoreError> {
    let row = task_text::ActiveModel {
        task_id: Unchanged(id.0),
        title: Set(content.title.as_str().to_owned()),
        description: Set(content.description.as_str().to_owned()),
        reference: Set(content
            .reference
            .as_ref()
            .map(|text| text.as_str().to_owned())),
    };
    row.update(txn).await?;
    Ok(())
}

/// The number of a task, and who filed it: what a repeated form needs to know.
pub async fn number_and_author(
    db: &impl ConnectionTrait,
    id: TaskId,
) -> Result<Option<(TaskNumber, UserId)>, StoreError> {
    let row = task::Entity::find_by_id(id.0).one(db).await?;
    row.map(|row| Ok((number_of(row.id, row.number)?, UserId(row.author_id))))
        .transpose()
}

/// The id of the task with this number.
pub async fn id_of(
    db: &impl ConnectionTrait,
    number: TaskNumber,
) -> Result<Option<TaskId>, StoreError> {
    let id: Option<Uuid> = task::Entity::find()
        .select_only()
        .column(task::Column::Id)
        .filter(task::Column::Number.eq(number.get()))
        .into_tuple()
        .one(db)
        .await?;
    Ok(id.map(TaskId))
}

/// A state, spread over the columns of its row.
#[derive(Debug, Clone, Copy, Serialize)]
struct StateColumns {
    state: Phase,
    performer_id: Option<Uuid>,
    assigned_at: Option<DateTime<Utc>>,
    closed_at: Option<DateTime<Utc>>,
}

impl StateColumns {
    fn of(state: State) -> Self {
        let (phase, assignment, closed_at) = match state {
            State::Waiting => (Phase::Waiting, None, None),
            State::Open(assignment) => (Phase::Open, Some(assignment), None),
            State::Completed {
                assignment,
                completed_at,
            } => (Phase::Completed, Some(assignment), Some(completed_at)),
            State::Cancelled { last, cancelled_at } => (Phase::Cancelled, last, Some(cancelled_at)),
        };
        Self {
            state: phase,
            performer_id: assignment.map(|assignment| assignment.performer.0),
            assigned_at: assignment.map(|assignment| assignment.assigned_at),
            closed_at,
        }
    }
}

impl TryFrom<task::Model> for Task {
    type Error = StoreError;

    fn try_from(row: task::Model) -> Result<Self, StoreError> {
        let assignment = row
            .performer_id
            .zip(row.assigned_at)
            .map(|(user, assigned_at)| Assignment {
                performer: UserId(user),
                assigned_at,
            });
        let state = match (row.state, assignment, row.closed_at) {
            (Phase::Waiting, None, None) => State::Waiting,
            (Phase::Open, Some(assignment), None) => State::Open(assignment),
            (Phase::Completed, Some(assignment), Some(completed_at)) => State::Completed {
                assignment,
                completed_at,
            },
            (Phase::Cancelled, last, Some(cancelled_at)) => State::Cancelled { last, cancelled_at },
            _ => {
                return Err(corrupt(
                    row.id,
                    "its state and its columns contradict each other",
                ));
            }
        };
        Ok(Self {
            id: TaskId(row.id),
            author: UserId(row.author_id),
            state,
            created_at: row.created_at,
            last_event_at: row.last_event_at,
        })
    }
}

impl TryFrom<task_text::Model> for Content {
    type Error = StoreError;

    fn try_from(row: task_text::Model) -> Result<Self, StoreError> {
        let typed = Typed {
            title: &row.title,
            description: &row.description,
            reference: row.reference.as_deref().unwrap_or_default(),
        };
        Self::try_new(typed).map_err(|_errors| corrupt(row.task_id, "its texts break the rules"))
    }
}

pub(super) fn number_of(task: Uuid, number: i64) -> Result<TaskNumber, StoreError> {
    TaskNumber::try_new(number).map_err(|_error| corrupt(task, "its number is not positive"))
}

fn corrupt(task: Uuid, fault: &'static str) -> StoreError {
    StoreError::Corrupt { task, fault }
}
