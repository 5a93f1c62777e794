//! What the page of one task shows.

use platform::sql::statement;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{StoreError, entity::task, tasks::number_of};
use crate::domain::{
    id::{TaskId, TaskNumber},
    task::Task,
};

/// A task as its page shows it, without its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    pub task: Task,
    pub number: TaskNumber,
    pub title: String,
    /// Markdown as it was typed.
    pub description: String,
    pub reference: Option<String>,
    /// Absent until Finance has told it.
    pub price: Option<KnownPrice>,
}

/// What a task costs and pays, in minor units of `currency`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPrice {
    pub fee_cents: i64,
    pub reward_cents: i64,
    /// ISO 4217 code.
    pub currency: String,
}

/// The task that an address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    Id(TaskId),
    Number(TaskNumber),
}

#[derive(Debug, FromQueryResult)]
struct Row {
    #[sea_orm(nested)]
    task: task::Model,
    title: String,
    description: String,
    reference: Option<String>,
    fee_cents: Option<i64>,
    reward_cents: Option<i64>,
    currency: Option<String>,
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
        "SELECT task.*, task_text.title, task_text.description, task_text.reference, \
             price_cache.fee_cents, price_cache.reward_cents, price_cache.currency \
         FROM task JOIN task_text ON task_text.task_id = task.id \
         LEFT JOIN price_cache ON price_cache.task_id = task.id WHERE {condition}"
    );
    let row = Row::find_by_statement(statement(&sql, [value]))
        .one(db)
        .await?;
    row.map(Detail::try_from).transpose()
}

impl TryFrom<Row> for Detail {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let price = match (row.fee_cents, row.reward_cents, row.currency) {
            (Some(fee_cents), Some(reward_cents), Some(currency)) => Some(KnownPrice {
                fee_cents,
                reward_cents,
                currency,
            }),
            _ => None,
        };
        Ok(Self {
            number: number_of(row.task.id, row.task.number)?,
            task: row.task.try_into()?,
            title: row.title,
            description: row.description,
            reference: row.reference,
            price,
        })
    }
}
