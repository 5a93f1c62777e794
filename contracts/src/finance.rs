//! What finance says of money: `finance.*`.

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{message::message, timestamp};

/// The price of a task was drawn; it never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskPriced {
    /// The task.
    pub task_uuid: Uuid,
    /// What each assignment costs its performer, in minor units.
    pub fee_cents: i64,
    /// What the completion earns the performer, in minor units.
    pub reward_cents: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// When the price was drawn.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub timestamp: DateTime<Utc>,
}
message!(TaskPriced, "finance.task.priced", task_uuid);

/// An employee was paid at the closing of a working day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PayoutMade {
    /// The payout.
    pub payout_uuid: Uuid,
    /// The employee.
    pub user_id: Uuid,
    /// The working day that was closed.
    pub working_day: NaiveDate,
    /// The sum paid, above zero, in minor units.
    pub amount_cents: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// When it was booked.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub timestamp: DateTime<Utc>,
}
message!(PayoutMade, "finance.payout.made", payout_uuid);
