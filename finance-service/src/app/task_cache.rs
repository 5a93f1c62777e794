//! Keeps the titles that explain transfers: what must be fetched, and what becomes of the answers.
//!
//! Money never waits for text (DESIGN.md M6): the transaction that books it only notes what is owed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use contracts::tasks::{BatchGetTasks, Task, TasksBatch};
use platform::{
    fetch::{self, Answer, FetchError, Fetched, Fetcher, Owed},
    peer::PeerClient,
    sources::Sources,
};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::{
    domain::ledger::{TaskEvent, TaskFact},
    store::{self, DatabaseResult, StoreError, tasks::CachedTask},
};

/// The kind of the notes.
pub const KIND: &str = "task";

/// Notes a fetch for every task that changed or was never seen before, unless a later event of it is
/// known already.
///
/// # Errors
/// When the notes cannot be written.
pub async fn owe(
    txn: &DatabaseTransaction,
    facts: &[TaskFact],
    first_seen: &BTreeSet<Uuid>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut newest: BTreeMap<Uuid, DateTime<Utc>> = BTreeMap::new();
    let is_owed =
        |fact: &&TaskFact| fact.event == TaskEvent::Changed || first_seen.contains(&fact.task);
    for fact in facts.iter().filter(is_owed) {
        let at = newest.entry(fact.task).or_insert(fact.at);
        *at = fact.at.max(*at);
    }
    if newest.is_empty() {
        return Ok(());
    }
    let events: Vec<(Uuid, DateTime<Utc>)> = newest.into_iter().collect();
    let newer = store::tasks::newer(txn, &events).await?;
    let owed: Vec<Owed> = events
        .into_iter()
        .filter(|(task, _)| !newer.contains(task))
        .map(|(id, event_ts)| Owed { id, event_ts })
        .collect();
    Ok(fetch::note(txn, KIND, &owed, now).await?)
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
