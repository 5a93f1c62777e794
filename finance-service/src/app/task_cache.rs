//! Keeps the titles that explain transfers: what must be fetched, and what becomes of the answers.
//!
//! Money never waits for text (DESIGN.md M6): the transaction that books it only notes what is owed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use contracts::tasks::{BatchGetTasks, Task, TasksBatch, TasksPage};
use platform::{
    fetch::{Answer, FetchError, Fetched, Fetcher, Owed},
    peer::PeerClient,
    reconciliation::{Cache, Page, page_path},
    sources::Sources,
};
use sea_orm::{DatabaseConnection, DatabaseTransaction};
use uuid::Uuid;

pub use crate::store::tasks::KIND;
use crate::{
    domain::ledger::{TaskEvent, TaskFact},
    store::{self, DatabaseResult, tasks::CachedTask},
};

/// The fetches that a batch calls for: of tasks that changed or are `unknown` as yet, each as of the newest
/// fact that calls for it.
pub fn owed(facts: &[TaskFact], unknown: &BTreeSet<Uuid>) -> Vec<Owed> {
    let mut newest: BTreeMap<Uuid, DateTime<Utc>> = BTreeMap::new();
    let is_owed =
        |fact: &&TaskFact| fact.event == TaskEvent::Changed || unknown.contains(&fact.task);
    for fact in facts.iter().filter(is_owed) {
        let at = newest.entry(fact.task).or_insert(fact.at);
        *at = fact.at.max(*at);
    }
    let owe = |(id, event_ts)| Owed { id, event_ts };
    newest.into_iter().map(owe).collect()
}

/// The table `task_cache` beside the tasks of the board.
#[derive(Debug)]
pub struct TaskCache {
    board: PeerClient,
}

impl TaskCache {
    /// `board` is the REST interface of the task board.
    pub const fn new(board: PeerClient) -> Self {
        Self { board }
    }
}

impl Cache for TaskCache {
    const KIND: &'static str = KIND;
    type Record = Task;

    fn id(record: &Task) -> Uuid {
        record.task_uuid
    }

    async fn page(&self, after: Option<Uuid>) -> Result<Page<Task>, FetchError> {
        let TasksPage { tasks, next } = self.board.get_json(&page_path("/tasks", after)).await?;
        Ok(Page {
            records: tasks,
            next,
        })
    }

    async fn differences(
        &self,
        db: &DatabaseConnection,
        records: &[Task],
    ) -> DatabaseResult<Vec<Owed>> {
        let ids = records.iter().map(Self::id).collect();
        let known = store::tasks::find(db, ids).await?;
        let owed = |task: &Task| owed_for(task, known.get(&task.task_uuid));
        Ok(records.iter().filter_map(owed).collect())
    }

    /// None: the board deletes no task, and a title explains transfers for as long as they stand.
    async fn living(
        &self,
        _db: &DatabaseConnection,
    ) -> DatabaseResult<HashMap<Uuid, DateTime<Utc>>> {
        Ok(HashMap::new())
    }
}

/// The fetch that a difference calls for; it carries the newest event anybody knows of.
fn owed_for(task: &Task, known: Option<&CachedTask>) -> Option<Owed> {
    let event_ts = match known {
        None => task.changed_at,
        Some(cached) if (cached.number, &cached.title) == (task.number, &task.title) => {
            return None;
        }
        Some(cached) => cached.guard.max(task.changed_at),
    };
    Some(Owed {
        id: task.task_uuid,
        event_ts,
    })
}

/// Asks the task board for what is owed.
#[derive(Debug, Clone)]
pub struct TaskFetcher {
    tasks: PeerClient,
    sources: Sources,
}

impl TaskFetcher {
    /// `tasks` is the REST interface of the task board.
    pub const fn new(tasks: PeerClient, sources: Sources) -> Self {
        Self { tasks, sources }
    }
}

impl Fetcher for TaskFetcher {
    const KIND: &'static str = KIND;

    type Record = Task;

    async fn fetch(&self, ids: Vec<Uuid>) -> Result<Fetched<Task>, FetchError> {
        let body = BatchGetTasks { ids };
        let answer: TasksBatch = self.tasks.post_json("/tasks/batch-get", &body).await?;
        let found = answer
            .tasks
            .into_iter()
            .map(|task| (task.task_uuid, task))
            .collect();
        Ok(Fetched {
            found,
            missing: answer.missing,
        })
    }

    /// A task that the board does not have never comes to life here: there is nothing to store.
    async fn store(&self, txn: &DatabaseTransaction, answers: &[Answer<Task>]) -> DatabaseResult {
        let cached = |answer: &Answer<Task>| {
            let task = answer.record.as_ref()?;
            Some(CachedTask {
                task: answer.id,
                number: task.number,
                title: task.title.clone(),
                guard: answer.event_ts,
            })
        };
        let tasks: Vec<CachedTask> = answers.iter().filter_map(cached).collect();
        if tasks.is_empty() {
            return Ok(());
        }
        store::tasks::save(txn, &tasks, self.sources.now()).await
    }
}
