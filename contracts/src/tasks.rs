//! What the task board says of tasks: `tasks.task.*` and its REST bodies.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{message::message, timestamp};

/// A performer was assigned to a task; the first performer of a new task as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskAssigned {
    /// The task.
    pub task_uuid: Uuid,
    /// The performer.
    pub assigned_to: Uuid,
    /// When the board assigned it.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub timestamp: DateTime<Utc>,
}
message!(TaskAssigned, "tasks.task.assigned", task_uuid);

/// A task was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskCompleted {
    /// The task.
    pub task_uuid: Uuid,
    /// The last performer, who earns the reward whoever marked the task done.
    pub assigned_to: Uuid,
    /// When it was marked done.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub timestamp: DateTime<Utc>,
}
message!(TaskCompleted, "tasks.task.completed", task_uuid);

/// The content of a task changed; also sent for a new task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskChanged {
    /// The task.
    pub task_uuid: Uuid,
    /// When it changed.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub timestamp: DateTime<Utc>,
}
message!(TaskChanged, "tasks.task.changed", task_uuid);

/// A task was called off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskCancelled {
    /// The task.
    pub task_uuid: Uuid,
    /// When it was cancelled.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub timestamp: DateTime<Utc>,
}
message!(TaskCancelled, "tasks.task.cancelled", task_uuid);

/// Where a task is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    /// Nobody was eligible yet.
    Waiting,
    /// With its performer.
    Open,
    /// Done; final.
    Completed,
    /// Called off; final.
    Cancelled,
}

/// Answer of `GET /tasks/{uuid}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    /// The task.
    pub task_uuid: Uuid,
    /// The number people call it by, `T-<number>`.
    pub number: i64,
    /// One line, 1 to 200 characters.
    pub title: String,
    /// Markdown, up to 10,000 characters.
    pub description: String,
    /// The key in an external tracker, such as `ABC-123`.
    pub reference: Option<String>,
    /// Where it is in its life.
    pub status: TaskStatus,
    /// Who filed it.
    pub created_by: Uuid,
    /// Who has it, or had it last; absent while it waits.
    pub assigned_to: Option<Uuid>,
    /// When it was filed.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub created_at: DateTime<Utc>,
    /// The timestamp of its newest `tasks.task.*` message.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub changed_at: DateTime<Utc>,
}

/// Body of `POST /tasks/batch-get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BatchGetTasks {
    /// Up to 500 ids.
    pub ids: Vec<Uuid>,
}

/// Answer of `POST /tasks/batch-get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TasksBatch {
    /// Those that exist.
    pub tasks: Vec<Task>,
    /// Those that do not.
    pub missing: Vec<Uuid>,
}

/// Answer of `GET /tasks?after=&limit=`, ordered by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TasksPage {
    /// The tasks of this page.
    pub tasks: Vec<Task>,
    /// Pass it as `after` for the next page; absent on the last one.
    pub next: Option<Uuid>,
}
