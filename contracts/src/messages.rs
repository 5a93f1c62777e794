//! What a service says of the messages that it sent, so that a reader can prove that it has all of them.
//!
//! Hours are those in which messages were written, which their ids tell (UUIDv7), so that both sides
//! sort a message into the same hour however long it was on its way.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::timestamp;

/// The most hours of one [`SentCounts`].
pub const MAX_HOURS: i64 = 24;

/// The most ids of one [`SentIds`].
pub const MAX_IDS: u32 = 5_000;

/// Answer of `GET /messages/sent?from=&until=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SentCounts {
    /// One entry for each hour and key with messages.
    pub counts: Vec<SentCount>,
}

/// What was sent in one hour under one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SentCount {
    /// The beginning of the hour.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub hour: DateTime<Utc>,
    /// The key.
    pub routing_key: String,
    /// Messages that the broker confirmed.
    pub sent: i64,
    /// Messages that were written and wait for the broker.
    pub waiting: i64,
    /// The ids of the confirmed ones, combined by exclusive or, in hexadecimal.
    pub digest: String,
}

/// Answer of `GET /messages/sent/ids?hour=&routing_key=&after=&limit=`, in the order of ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SentIds {
    /// The ids of this page.
    pub ids: Vec<Uuid>,
    /// Pass it as `after` for the next page; absent on the last one.
    pub next: Option<Uuid>,
}
