//! Tasks for other services.

use uuid::Uuid;

use crate::{
    app::App,
    store::{self, StoreError},
};

pub use crate::store::export::Exported;

/// Those of `ids` that exist, in no particular order.
pub async fn by_ids(app: &App, ids: Vec<Uuid>) -> Result<Vec<Exported>, StoreError> {
    store::export::by_ids(&app.db, ids).await
}

/// One page of all tasks, in the order of their ids.
#[derive(Debug)]
pub struct Page {
    pub tasks: Vec<Exported>,
    /// The next page begins after this id; absent on the last page.
    pub next: Option<Uuid>,
}

/// Up to `limit` tasks after the given one.
pub async fn page(app: &App, after: Option<Uuid>, limit: u32) -> Result<Page, StoreError> {
    let mut tasks = store::export::after(&app.db, after, limit.saturating_add(1)).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = tasks.len() > wanted;
    tasks.truncate(wanted);
    let last = tasks.last().filter(|_| has_more);
    Ok(Page {
        next: last.map(|exported| exported.task.id.0),
        tasks,
    })
}
