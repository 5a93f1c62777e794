//! Reads what is parked: by cause, page by page, and one message whole.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::sql::statement;

/// The most causes that are listed at once.
const MOST_CAUSES: i64 = 50;

/// Messages of one queue and key that wait for the same cause.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult, Serialize)]
pub struct Cause {
    /// Its id: the same cause has the same in every replica.
    pub cause_id: Uuid,
    /// The queue.
    pub queue: String,
    /// The key under which the messages were first published.
    pub routing_key: String,
    /// The name of a [`super::ParkKind`].
    pub kind: String,
    /// The reason without what differs from one message to the next.
    pub cause: String,
    /// How many wait.
    pub messages: i64,
    /// The most attempts at one of them.
    pub attempts: i32,
    /// When the first of them was parked.
    pub oldest: DateTime<Utc>,
    /// That first one.
    pub first: Uuid,
}

/// The causes for which messages wait, the one with the oldest message first.
///
/// # Errors
/// Those of the database.
pub async fn causes(db: &impl ConnectionTrait) -> Result<Vec<Cause>, DbErr> {
    grouped(db, "", [MOST_CAUSES.into()]).await
}

/// One cause, while messages wait for it.
///
/// # Errors
/// Those of the database.
pub async fn cause(db: &impl ConnectionTrait, cause_id: Uuid) -> Result<Option<Cause>, DbErr> {
    let found = grouped(db, "AND cause_id = $2", [1_i64.into(), cause_id.into()]).await?;
    Ok(found.into_iter().next())
}

async fn grouped<const N: usize>(
    db: &impl ConnectionTrait,
    condition: &str,
    values: [sea_orm::Value; N],
) -> Result<Vec<Cause>, DbErr> {
    // An id of version 7 begins with its time, so the smallest is the first.
    let sql = format!(
        "SELECT cause_id, min(queue) AS queue, min(routing_key) AS routing_key, \
         min(kind) AS kind, min(cause) AS cause, count(*) AS messages, max(attempts) AS attempts, \
         min(parked_at) AS oldest, min(id::text)::uuid AS first FROM parked_message \
         WHERE state = 'parked' {condition} GROUP BY cause_id ORDER BY oldest, first LIMIT $1"
    );
    Cause::find_by_statement(statement(&sql, values))
        .all(db)
        .await
}

/// A parked message in a list.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult, Serialize)]
pub struct ParkedRow {
    /// Its id.
    pub id: Uuid,
    /// Its id as sent.
    pub message_id: Option<String>,
    /// Why, in words.
    pub reason: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was parked.
    pub parked_at: DateTime<Utc>,
}

/// The messages that wait for a cause, oldest first, at most `limit`, after the one with id `after`.
///
/// # Errors
/// Those of the database.
pub async fn page(
    db: &impl ConnectionTrait,
    cause_id: Uuid,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Vec<ParkedRow>, DbErr> {
    let sql = "SELECT id, message_id, reason, attempts, parked_at FROM parked_message \
               WHERE state = 'parked' AND cause_id = $1 AND id > $2 ORDER BY id LIMIT $3";
    let values = [
        cause_id.into(),
        after.unwrap_or_default().into(),
        i64::from(limit).into(),
    ];
    ParkedRow::find_by_statement(statement(sql, values))
        .all(db)
        .await
}

/// A parked message with everything that is known of it.
#[derive(Debug, Clone, PartialEq, FromQueryResult, Serialize)]
pub struct ParkedMessage {
    /// Its id.
    pub id: Uuid,
    /// The queue it was read from.
    pub queue: String,
    /// The key under which it was first published.
    pub routing_key: String,
    /// Its id as sent.
    pub message_id: Option<String>,
    /// The name of a [`super::ParkKind`].
    pub kind: String,
    /// Why, in words.
    pub reason: String,
    /// The cause it is grouped under.
    pub cause_id: Uuid,
    /// How often it was tried.
    pub attempts: i32,
    /// All headers as sent.
    pub headers: serde_json::Value,
    /// The other AMQP properties as sent.
    pub properties: serde_json::Value,
    /// The body as sent; as data it is shown as text, whatever it is.
    #[serde(serialize_with = "as_text")]
    pub body: Vec<u8>,
    /// When it was parked.
    pub parked_at: DateTime<Utc>,
    /// `parked`, `retried` or `discarded`.
    pub state: String,
    /// The parked message whose retry failed and was parked as this one.
    pub former: Option<Uuid>,
    /// The parked message as which its own retry was parked again.
    pub later: Option<Uuid>,
    /// The command that resolved it.
    pub audit_id: Option<Uuid>,
}

impl ParkedMessage {
    /// Whether it still waits for a person.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.state == "parked"
    }

    /// The body, when it is a text that can be sent again.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        super::sendable(&self.body)
    }
}

fn as_text<S: Serializer>(body: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(body))
}

/// One message, resolved or not.
///
/// # Errors
/// Those of the database.
pub async fn find(db: &impl ConnectionTrait, id: Uuid) -> Result<Option<ParkedMessage>, DbErr> {
    let sql = "SELECT p.id, p.queue, p.routing_key, p.message_id, p.kind, p.reason, p.cause_id, \
               p.attempts, p.headers, p.properties, p.body, p.parked_at, p.state, p.former, \
               (SELECT min(l.id::text)::uuid FROM parked_message l WHERE l.former = p.id) AS later, \
               p.audit_id FROM parked_message p WHERE p.id = $1";
    ParkedMessage::find_by_statement(statement(sql, [id.into()]))
        .one(db)
        .await
}

/// How many messages of one queue wait for the same kind of reason.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct ParkedCount {
    /// The queue.
    pub queue: String,
    /// The name of a [`super::ParkKind`].
    pub kind: String,
    /// How many.
    pub messages: i64,
}

/// Counts what waits for a person, by queue and kind.
///
/// # Errors
/// Those of the database.
pub async fn count(db: &impl ConnectionTrait) -> Result<Vec<ParkedCount>, DbErr> {
    let sql = "SELECT queue, kind, count(*) AS messages FROM parked_message \
               WHERE state = 'parked' GROUP BY queue, kind ORDER BY queue, kind";
    ParkedCount::find_by_statement(statement(sql, []))
        .all(db)
        .await
}
