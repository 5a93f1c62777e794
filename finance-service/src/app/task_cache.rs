//! Keeps the titles that explain transfers: what must be fetched, and what becomes of the answers.
//!
//! Money never waits for text (DESIGN.md M6): the transaction that books it only notes what is owed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, Utc};
use contracts::{
    tasks::{BatchGetTasks, Task, TasksBatch, TasksPage},
    topology::MAX_BATCH_GET,
};
use platform::{
    fetch::{self, Answer, FetchError, Fetched, Fetcher, Owed},
    peer::{PeerClient, PeerError},
    sources::Sources,
};
use sea_orm::{DatabaseConnection, DatabaseTransaction, TransactionTrait};
use thiserror::Error;
use uuid::Uuid;

pub use crate::store::tasks::KIND;
use crate::{
    domain::ledger::{TaskEvent, TaskFact},
    store::{self, DatabaseResult, StoreError, tasks::CachedTask},
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

/// Why tasks could not be compared.
#[derive(Debug, Error)]
pub enum CompareError {
    /// The board did not answer.
    #[error("the tasks cannot be read from the board")]
    Board(#[from] PeerError),
    /// The database failed.
    #[error("the local copy of the tasks cannot be read or written")]
    Store(#[from] StoreError),
}

/// What a comparison with the board found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Tasks that the board has.
    pub seen: usize,
    /// Tasks that are unknown or different here; they will be fetched.
    pub different: usize,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seen, different } = self;
        write!(f, "{seen} compared, {different} will be fetched")
    }
}

/// Compares all tasks with the board, page by page, and notes a fetch for each that is unknown or
/// different here, so that repairs and events take the same guarded way (DESIGN.md section 6).
///
/// # Errors
/// [`CompareError`]; what was noted until then stays noted.
pub async fn reconcile(
    db: &DatabaseConnection,
    sources: &Sources,
    board: &PeerClient,
) -> Result<Comparison, CompareError> {
    let mut found = Comparison::default();
    let mut after = String::new();
    loop {
        let path = format!("/tasks?limit={MAX_BATCH_GET}{after}");
        let page: TasksPage = board.get_json(&path).await?;
        let ids = page.tasks.iter().map(|task| task.task_uuid).collect();
        let known = store::tasks::find(db, ids).await?;
        let owed: Vec<Owed> = page
            .tasks
            .iter()
            .filter_map(|task| owed_for(task, known.get(&task.task_uuid)))
            .collect();
        note(db, &owed, sources.now()).await?;
        found.seen += page.tasks.len();
        found.different += owed.len();
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(found),
        }
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

async fn note(
    db: &DatabaseConnection,
    owed: &[Owed],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let txn = db.begin().await?;
    fetch::note(&txn, KIND, owed, now).await?;
    Ok(txn.commit().await?)
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
