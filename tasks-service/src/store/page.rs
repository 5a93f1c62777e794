//! What the page of one task shows.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{StoreError, entity::Phase, sql::statement};
use crate::domain::id::{TaskId, TaskNumber};

/// A task as its page shows it, without its history.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Detail {
    pub id: Uuid,
    pub number: i64,
    pub title: String,
    pub description: String,
    pub reference: Option<String>,
    pub state: Phase,
    pub author_id: Uuid,
    pub performer_id: Option<Uuid>,
    pub assigned_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub last_event_at: DateTime<Utc>,
    /// In minor units of `currency`; the three are absent until Finance has told the price.
    pub fee_cents: Option<i64>,
    pub reward_cents: Option<i64>,
    pub currency: Option<String>,
}

/// The task that an address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    Id(TaskId),
    Number(TaskNumber),
}

/// Reads one task with its price.
///
/// By hand: one statement over three tables instead of three round trips.
pub async fn detail(
    db: &impl ConnectionTrait,
    address: Address,
) -> Result<Option<Detail>, StoreError> {
    let (condition, value) = match address {
        Address::Id(id) => ("task.id = $1", id.0.into()),
        Address::Number(number) => ("task.number = $1", number.get().into()),
    };
    let sql = format!(
        "SELECT task.id, task.number, task_text.title, task_text.description, task_text.reference, \
             task.state, task.author_id, task.performer_id, task.assigned_at, task.closed_at, \
             task.created_at, task.last_event_at, price_cache.fee_cents, \
             price_cache.reward_cents, price_cache.currency \
         FROM task JOIN task_text ON task_text.task_id = task.id \
         LEFT JOIN price_cache ON price_cache.task_id = task.id WHERE {condition}"
    );
    Ok(Detail::find_by_statement(statement(&sql, [value]))
        .one(db)
        .await?)
}
