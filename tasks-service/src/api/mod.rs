//! The REST interface for other services (DESIGN.md section 7): machines with `tasks:read` only.

use std::collections::HashSet;

use axum::{
    Json,
    extract::{
        FromRef, Path, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    routing::{get, post},
};
use contracts::{
    rest,
    tasks::{BatchGetTasks, Task, TasksBatch, TasksPage},
    topology::MAX_BATCH_GET,
};
use platform::{
    auth::{Machine, MachineAuth, MachineScope},
    problem::Problem,
    routes::Routes,
};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    app::{
        App,
        export::{self, Exported},
        status_of,
    },
    failure,
};

/// The most tasks on one page of `GET /tasks`, and how many there are unless asked otherwise.
const MAX_PAGE: u32 = 500;

/// What the routes need.
#[derive(Debug, Clone)]
pub struct Api {
    pub app: App,
    pub machines: MachineAuth,
}

impl FromRef<Api> for App {
    fn from_ref(api: &Api) -> Self {
        api.app.clone()
    }
}

impl FromRef<Api> for MachineAuth {
    fn from_ref(api: &Api) -> Self {
        api.machines.clone()
    }
}

/// Scope `tasks:read`.
#[derive(Debug)]
struct TasksRead;

impl MachineScope for TasksRead {
    const NAME: &'static str = rest::TASKS_READ;
}

/// The routes.
pub fn router(api: Api) -> Routes {
    Routes::new()
        .route("/tasks", get(list))
        .route("/tasks/batch-get", post(batch_get))
        .route("/tasks/{uuid}", get(read))
        .with_state(api)
}

async fn read(
    _caller: Machine<TasksRead>,
    State(app): State<App>,
    Path(uuid): Path<String>,
) -> Result<Json<Task>, Problem> {
    // What is no UUID names no task.
    let id = Uuid::parse_str(&uuid).map_err(|_error| Problem::not_found())?;
    let found = export::by_ids(&app, vec![id])
        .await
        .map_err(|error| failure::problem(&error))?;
    found
        .into_iter()
        .next()
        .map(|task| Json(task.into()))
        .ok_or_else(Problem::not_found)
}

async fn batch_get(
    _caller: Machine<TasksRead>,
    State(app): State<App>,
    body: Result<Json<BatchGetTasks>, JsonRejection>,
) -> Result<Json<TasksBatch>, Problem> {
    let Json(BatchGetTasks { ids }) =
        body.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    if ids.len() > MAX_BATCH_GET {
        return Err(Problem::bad_request(format!(
            "At most {MAX_BATCH_GET} ids at once."
        )));
    }
    let found = export::by_ids(&app, ids.clone())
        .await
        .map_err(|error| failure::problem(&error))?;
    let known: HashSet<Uuid> = found.iter().map(|task| task.task.id.0).collect();
    let mut seen = known.clone();
    Ok(Json(TasksBatch {
        tasks: found.into_iter().map(Task::from).collect(),
        missing: ids.into_iter().filter(|id| seen.insert(*id)).collect(),
    }))
}

/// `GET /tasks?after=&limit=`.
#[derive(Debug, Deserialize)]
struct PageQuery {
    after: Option<Uuid>,
    limit: Option<u32>,
}

async fn list(
    _caller: Machine<TasksRead>,
    State(app): State<App>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<TasksPage>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let limit = query.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let read = export::page(&app, query.after, limit).await;
    let page = read.map_err(|error| failure::problem(&error))?;
    Ok(Json(TasksPage {
        tasks: page.tasks.into_iter().map(Task::from).collect(),
        next: page.next,
    }))
}

impl From<Exported> for Task {
    fn from(task: Exported) -> Self {
        Self {
            task_uuid: task.task.id.0,
            number: task.number.get(),
            title: task.title,
            description: task.description,
            reference: task.reference,
            status: status_of(task.task.state),
            created_by: task.task.author.0,
            assigned_to: task.task.performer().map(|user| user.0),
            created_at: task.task.created_at,
            changed_at: task.task.last_event_at,
        }
    }
}
