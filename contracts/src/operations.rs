//! What the auth bridge tells the operations page and is asked by it (DESIGN.md section 8).
//!
//! `GET /operations` answers [`BridgeState`]; `POST /operations/reconcile` takes [`Reconcile`],
//! `POST /operations/accept-deletions` [`AcceptDeletions`], `POST /operations/outbox-dead/retry` and
//! `POST /operations/outbox-dead/discard` [`ResolveDead`]. All four ask for [`MANAGE_SCOPE`] and answer
//! 204 when they were heard, 409 when the state is no longer what the caller was shown.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::timestamp;

/// The scope of the machine token that these routes ask for.
pub const MANAGE_SCOPE: &str = "operations:manage";

/// The most messages of [`BridgeState::dead`].
pub const MAX_DEAD: usize = 100;

/// How the auth bridge is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BridgeState {
    /// What waits for the broker.
    pub outbox: OutboxState,
    /// Messages that the broker refused too often, oldest first, at most [`MAX_DEAD`].
    pub dead: Vec<DeadMessage>,
    /// Living users in the bridge's copy.
    pub users: u64,
    /// Since when the copy is known to match Keycloak; absent before everything was read once.
    #[serde(with = "timestamp::option")]
    #[schemars(with = "Option<DateTime<Utc>>")]
    pub as_of: Option<DateTime<Utc>>,
    /// The time of the newest event read from Keycloak.
    #[serde(with = "timestamp::option")]
    #[schemars(with = "Option<DateTime<Utc>>")]
    pub last_event_at: Option<DateTime<Utc>>,
    /// When the last full comparison with Keycloak ended.
    #[serde(with = "timestamp::option")]
    #[schemars(with = "Option<DateTime<Utc>>")]
    pub compared_at: Option<DateTime<Utc>>,
    /// A full comparison that was asked for and has not begun.
    pub comparison_due: Option<ComparisonDue>,
    /// Why the last full comparison deleted nobody although users were missing.
    pub alarm: Option<DeletionAlarm>,
    /// Why users are not watched at the moment.
    pub fault: Option<WatchFault>,
}

/// The bridge cannot watch users; it answers from its copy meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WatchFault {
    /// Since when.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub since: DateTime<Utc>,
    /// What is wrong, in words, and what to do when a person has to.
    pub reason: String,
}

/// An outbox in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxState {
    /// Messages that the broker has not confirmed.
    pub waiting: u64,
    /// When the oldest of them happened.
    #[serde(with = "timestamp::option")]
    #[schemars(with = "Option<DateTime<Utc>>")]
    pub oldest: Option<DateTime<Utc>>,
    /// Messages that the broker refused too often.
    pub dead: u64,
}

/// A message that the broker refused too often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadMessage {
    /// Its place in the outbox, by which it is named in [`ResolveDead`].
    pub position: i64,
    /// Its id.
    pub message_id: Uuid,
    /// The key it was to be published under.
    pub routing_key: String,
    /// The record it tells of.
    pub entity_id: Uuid,
    /// The JSON of its body.
    pub body: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What the broker said last.
    pub last_error: String,
    /// When it was given up.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub died_at: DateTime<Utc>,
}

/// A full comparison that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComparisonDue {
    /// When it is to begin.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub at: DateTime<Utc>,
    /// What called for it, in words.
    pub reason: String,
}

/// The guard against mass deletion stopped a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeletionAlarm {
    /// When.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub raised_at: DateTime<Utc>,
    /// Users that Keycloak does not show any more.
    pub missing: u64,
    /// Users that were known.
    pub known: u64,
    /// How many may be missing without an alarm.
    pub allowed: u64,
}

/// Asks for a full comparison now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reconcile {
    /// The administrator who asks.
    pub asked_by: Uuid,
}

/// Lets the next comparison delete the users that the guard held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AcceptDeletions {
    /// The administrator who answers for it.
    pub asked_by: Uuid,
    /// Why.
    pub reason: String,
    /// [`DeletionAlarm::missing`] as it was shown; with more missing the guard stops again.
    pub missing: u64,
}

/// Sends messages of [`BridgeState::dead`] again, or discards them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResolveDead {
    /// The administrator who asks.
    pub asked_by: Uuid,
    /// The messages by [`DeadMessage::position`]; those that are gone already are passed over.
    pub positions: Vec<i64>,
    /// Why they are discarded; empty for sending again.
    pub reason: String,
}
