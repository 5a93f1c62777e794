//! Draws that nobody asked for: for tasks that wait (T2) and for those whose performer was lost (T5).

use sea_orm::DatabaseTransaction;

use crate::{
    app::App,
    domain::{
        assignment::{Cause, Draw, draw},
        id::UserId,
        task::{Outcome, Task},
    },
    messaging::publish,
    store::{self, StoreError, tasks::Change},
};

/// How many tasks one transaction redraws: large enough to be quick, small enough that nobody who
/// wants to complete one of them waits for long.
const BATCH: u64 = 200;

/// Redraws what has to be redrawn now, and returns how many tasks changed.
///
/// A repeated round finds nothing to do. Several replicas share the work. After an error what was done
/// until then is committed.
#[tracing::instrument(name = "app.redraw", skip_all)]
pub async fn round(app: &App) -> Result<usize, StoreError> {
    app.performers.refresh(&app.db, &app.eligibility).await?;
    let lost = until_nothing_is_left(|| redraw_lost(app)).await?;
    let waited = until_nothing_is_left(|| hand_out_waiting(app)).await?;
    if lost + waited > 0 {
        tracing::info!(lost, waited, "tasks were redrawn");
    }
    Ok(lost + waited)
}

async fn until_nothing_is_left<F, B>(batch: F) -> Result<usize, StoreError>
where
    F: Fn() -> B + Send,
    B: Future<Output = Result<usize, StoreError>> + Send,
{
    let mut total = 0;
    loop {
        match batch().await? {
            0 => return Ok(total),
            changed => total += changed,
        }
    }
}

async fn redraw_lost(app: &App) -> Result<usize, StoreError> {
    let txn = store::begin(&app.db).await?;
    let tasks = store::tasks::lock_lost(&txn, &app.eligibility, BATCH).await?;
    redraw(app, txn, tasks, Cause::PerformerLost).await
}

async fn hand_out_waiting(app: &App) -> Result<usize, StoreError> {
    let txn = store::begin(&app.db).await?;
    let tasks = store::tasks::lock_waiting(&txn, BATCH).await?;
    redraw(app, txn, tasks, Cause::Waited).await
}

/// Draws for each of the locked tasks, and returns how many changed.
async fn redraw(
    app: &App,
    txn: DatabaseTransaction,
    tasks: Vec<Task>,
    cause: Cause,
) -> Result<usize, StoreError> {
    if tasks.is_empty() {
        return Ok(0);
    }
    let drawn = draw_for(app, tasks);
    let performers: Vec<UserId> = drawn
        .iter()
        .filter_map(|(_, draw)| draw.map(|draw| draw.performer))
        .collect();
    let eligible = store::performers::lock_eligible(&txn, &app.eligibility, &performers).await?;
    let now = app.sources.now();
    let mut changes = Vec::with_capacity(drawn.len());
    for (mut task, draw) in drawn {
        // Whoever was lost since the list was read is not handed anything: the next round draws anew.
        if draw.is_some_and(|draw| !eligible.contains(&draw.performer)) {
            continue;
        }
        if let Ok(Outcome::Applied(event)) = task.redraw(draw, cause, now) {
            changes.push(Change { task, event });
        }
    }
    let messages = publish::messages(&app.sources, changes.iter().map(|change| &change.event));
    store::tasks::save(&txn, &changes, &messages).await?;
    store::commit(txn).await?;
    app.outbox.wake();
    Ok(changes.len())
}

fn draw_for(app: &App, tasks: Vec<Task>) -> Vec<(Task, Option<Draw>)> {
    let candidates = app.performers.current();
    let mut rng = app.sources.rng();
    tasks
        .into_iter()
        .map(|task| (task, draw(&candidates, &mut rng)))
        .collect()
}
