//! Messages that could not be handled, kept whole for a person (DESIGN.md section 8).

mod again;
mod read;
mod resolve;

pub use read::{Cause, ParkedCount, ParkedMessage, ParkedRow, cause, causes, count, find, page};
pub(crate) use resolve::readable;
pub use resolve::{ResolveError, Resolved, Selection, discard, retry, retry_edited};

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, Value};
use uuid::Uuid;

use crate::{
    prune::Kept,
    sql::{execute, storable},
};

/// What people decided on is kept for a while, to look it up; what waits for them stays.
pub const KEPT: Kept = Kept {
    table: "parked_message",
    time: Duration::from_hours(90 * 24),
    sql: "DELETE FROM parked_message WHERE id IN (SELECT id FROM parked_message \
          WHERE state <> 'parked' AND resolved_at < $1 ORDER BY resolved_at LIMIT $2)",
};

/// Why a message is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkKind {
    /// The body is not what the key promises.
    Unreadable,
    /// Nobody here reads that key.
    UnknownKey,
    /// The schema version is not ours.
    UnknownVersion,
    /// It contradicts another message or what was booked; an alarm.
    Conflict,
    /// The handler refused it for good.
    Refused,
    /// Every attempt failed.
    Failed,
    /// The broker gave up on it: delivered too often without an answer.
    DeadLettered,
}

impl ParkKind {
    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::UnknownKey => "unknown_key",
            Self::UnknownVersion => "unknown_version",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::DeadLettered => "dead_lettered",
        }
    }
}

/// A message to be parked.
#[derive(Debug, Clone, PartialEq)]
pub struct NewParked {
    /// The id of the parked message, a UUIDv7.
    pub id: Uuid,
    /// The queue it was read from.
    pub queue: String,
    /// The key under which it was first published.
    pub routing_key: String,
    /// Its id as sent.
    pub message_id: Option<String>,
    /// Why.
    pub kind: ParkKind,
    /// Why, in words.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// All headers as sent.
    pub headers: serde_json::Value,
    /// The other AMQP properties as sent.
    pub properties: serde_json::Value,
    /// The body as sent.
    pub body: Vec<u8>,
    /// SHA-256 of the body.
    pub digest: [u8; 32],
    /// The parked message that a person sent again as this one.
    pub former: Option<Uuid>,
}

/// Parks messages in one statement; one that already waits with the same body is left as it is.
///
/// # Errors
/// Those of the database.
pub async fn park(
    db: &impl ConnectionTrait,
    messages: &[NewParked],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    if messages.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO parked_message (id, queue, routing_key, message_id, kind, reason, \
               attempts, headers, properties, body, digest, former, parked_at) \
               SELECT m.id, m.queue, m.key, nullif(m.message_id, ''), m.kind, m.reason, \
               m.attempts, m.headers::jsonb, m.properties::jsonb, m.body, m.digest, \
               nullif(m.former, '00000000-0000-0000-0000-000000000000'), $13 \
               FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], \
               $7::integer[], $8::text[], $9::text[], $10::bytea[], $11::bytea[], \
               $12::uuid[]) \
               AS m(id, queue, key, message_id, kind, reason, attempts, headers, properties, body, digest, former) \
               ON CONFLICT DO NOTHING";
    let text = |of: &dyn Fn(&NewParked) -> String| -> Value {
        let texts = messages.iter().map(|message| storable(&of(message)));
        texts.collect::<Vec<String>>().into()
    };
    let bytes = |of: fn(&NewParked) -> &[u8]| -> Value {
        let bytes = messages.iter().map(|message| of(message).to_vec());
        bytes.collect::<Vec<Vec<u8>>>().into()
    };
    let ids: Vec<Uuid> = messages.iter().map(|message| message.id).collect();
    let formers: Vec<Uuid> = messages
        .iter()
        .map(|message| message.former.unwrap_or_default())
        .collect();
    let attempts: Vec<i32> = messages
        .iter()
        .map(|message| i32::try_from(message.attempts).unwrap_or(i32::MAX))
        .collect();
    let values = [
        ids.into(),
        text(&|message| message.queue.clone()),
        text(&|message| message.routing_key.clone()),
        text(&|message| message.message_id.clone().unwrap_or_default()),
        text(&|message| message.kind.name().to_owned()),
        text(&|message| message.reason.clone()),
        attempts.into(),
        text(&|message| storable_json(&message.headers)),
        text(&|message| storable_json(&message.properties)),
        bytes(|message| &message.body),
        bytes(|message| &message.digest),
        formers.into(),
        now.into(),
    ];
    execute(db, sql, values).await.map(drop)
}

/// The body as the outbox can carry it: a text without NUL. What is none can be read by nobody (RFC 8259).
fn sendable(body: &[u8]) -> Option<&str> {
    std::str::from_utf8(body)
        .ok()
        .filter(|text| !text.contains('\0'))
}

/// [`storable`] for JSON, where a NUL hides behind an escape.
fn storable_json(value: &serde_json::Value) -> String {
    use serde_json::Value::{Array, Object, String};
    fn clean(value: &serde_json::Value) -> serde_json::Value {
        match value {
            String(text) => String(storable(text)),
            Array(items) => Array(items.iter().map(clean).collect()),
            Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| (storable(name), clean(value)));
                Object(fields.collect())
            }
            plain => plain.clone(),
        }
    }
    clean(value).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_postgresql_cannot_store_is_replaced_at_every_depth() {
        let headers = json!({"a\0": ["x\0y", {"b": "\0"}], "n": 1});
        let stored = storable_json(&headers);
        assert!(
            !stored.contains("\\u0000") && !stored.contains('\0'),
            "{stored}"
        );
        assert!(stored.contains("\"n\":1"));
    }
}
