//! Messages written in the transaction of the change they tell of (DESIGN.md section 8).
//!
//! The relay publishes them and deletes each after the broker's confirm, so a message leaves if and
//! only if its change was committed, however long the broker is away.

use chrono::{DateTime, Utc};
use contracts::{Message, SCHEMA_VERSION, topology};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, Value};
use uuid::Uuid;

use crate::{
    signal::Signal,
    sources::Sources,
    sql::{execute, statement},
    trace::TraceContext,
};

/// Wakes the relay of this process after a commit; replicas look by themselves.
pub type OutboxSignal = Signal;

/// A message to be published once the surrounding transaction is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    message_id: Uuid,
    routing_key: &'static str,
    entity_id: Uuid,
    occurred_at: DateTime<Utc>,
    traceparent: TraceContext,
    /// The JSON, or why there is none; reported by [`append`], so that building stays infallible.
    body: Result<String, String>,
}

impl OutboxMessage {
    /// Gives a message its id and its JSON, as a step of the present request's or message's trace, or
    /// of a trace of its own.
    #[must_use]
    pub fn new<M: Message>(sources: &Sources, message: &M) -> Self {
        let message_id = sources.new_id();
        Self {
            message_id,
            routing_key: M::KEY,
            entity_id: message.entity_id(),
            occurred_at: message.timestamp(),
            traceparent: TraceContext::of_record(message.entity_id())
                .unwrap_or_else(|| TraceContext::root(message_id)),
            body: serde_json::to_string(message).map_err(|error| error.to_string()),
        }
    }

    /// The id that the message will carry.
    #[must_use]
    pub fn message_id(&self) -> Uuid {
        self.message_id
    }

    fn exchange(&self) -> String {
        topology::entrance_of_key(self.routing_key)
    }
}

/// Writes messages in order, in one statement.
///
/// Messages of one record keep their order when the transaction locked the record before.
///
/// # Errors
/// Those of the database, and [`DbErr::Json`] for a body that cannot be written.
pub async fn append(txn: &DatabaseTransaction, messages: &[OutboxMessage]) -> Result<(), DbErr> {
    if messages.is_empty() {
        return Ok(());
    }
    let values = parameters(messages)?;
    execute(txn, &insert_sql(1), values).await.map(drop)
}

/// The statement of [`append`], for a command that writes everything in one round trip by making it
/// part of a `WITH`; its parameters are numbered from `first`.
#[must_use]
pub fn insert_sql(first: usize) -> String {
    insert_if_sql(first, "true")
}

/// [`insert_sql`] for a `WITH` that may turn out to change nothing: `condition` is SQL from the code,
/// such as `EXISTS (SELECT FROM filed)`.
#[must_use]
pub fn insert_if_sql(first: usize, condition: &str) -> String {
    let [ids, exchanges, keys, entities, times, traces, bodies] =
        [0, 1, 2, 3, 4, 5, 6].map(|offset| first + offset);
    format!(
        "INSERT INTO outbox (message_id, exchange, routing_key, entity_id, schema_version, \
         occurred_at, traceparent, body) \
         SELECT m.id, m.exchange, m.key, m.entity, {SCHEMA_VERSION}, m.at, m.trace, m.body \
         FROM unnest(${ids}::uuid[], ${exchanges}::text[], ${keys}::text[], ${entities}::uuid[], \
         ${times}::timestamptz[], ${traces}::text[], ${bodies}::text[]) \
         WITH ORDINALITY AS m(id, exchange, key, entity, at, trace, body, n) \
         WHERE {condition} ORDER BY m.n"
    )
}

/// The parameters of [`insert_sql`], in order.
///
/// # Errors
/// [`DbErr::Json`] for a body that cannot be written.
pub fn parameters(messages: &[OutboxMessage]) -> Result<Vec<Value>, DbErr> {
    let bodies = messages
        .iter()
        .map(|message| message.body.clone().map_err(DbErr::Json))
        .collect::<Result<Vec<String>, DbErr>>()?;
    let text = |of: fn(&OutboxMessage) -> String| -> Value {
        messages.iter().map(of).collect::<Vec<String>>().into()
    };
    let id = |of: fn(&OutboxMessage) -> Uuid| -> Value {
        messages.iter().map(of).collect::<Vec<Uuid>>().into()
    };
    let times: Vec<DateTime<Utc>> = messages.iter().map(|message| message.occurred_at).collect();
    Ok(vec![
        id(|message| message.message_id),
        text(OutboxMessage::exchange),
        text(|message| message.routing_key.to_owned()),
        id(|message| message.entity_id),
        times.into(),
        text(|message| message.traceparent.to_string()),
        bodies.into(),
    ])
}

/// What waits for the broker.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Backlog {
    /// Messages that are not confirmed yet.
    pub waiting: i64,
    /// When the oldest of them happened.
    pub oldest: Option<DateTime<Utc>>,
    /// Messages that the broker refused too often.
    pub dead: i64,
}

/// SQL that tells messages to everybody, which readers are asked to account for, from copies for one queue.
pub(crate) fn is_for_everybody_sql() -> String {
    format!(
        "exchange = split_part(routing_key, '.', 1) || '{}'",
        topology::ENTRANCE_SUFFIX
    )
}

/// Counts what waits. It reads the whole table, which is large only while the broker is away.
///
/// # Errors
/// Those of the database.
pub async fn backlog(db: &impl ConnectionTrait) -> Result<Backlog, DbErr> {
    let sql = "SELECT count(*) AS waiting, min(occurred_at) AS oldest, \
               (SELECT count(*) FROM outbox_dead) AS dead FROM outbox";
    let row = Backlog::find_by_statement(statement(sql, []))
        .one(db)
        .await?;
    row.ok_or_else(|| DbErr::RecordNotFound("the backlog of the outbox".to_owned()))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use contracts::identity::UserChanged;

    use super::*;
    use crate::sources::ManualClock;

    fn message() -> OutboxMessage {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let sources = Sources::manual(ManualClock::new(at), 1);
        let body = UserChanged {
            user_id: Uuid::from_u128(7),
            timestamp: at,
        };
        OutboxMessage::new(&sources, &body)
    }

    #[test]
    fn a_message_enters_by_its_key_and_is_kept_in_order_by_its_record() {
        let message = message();
        assert_eq!(message.exchange(), "auth.in");
        assert_eq!(message.entity_id, Uuid::from_u128(7));
        let body = message.body.unwrap();
        assert!(body.contains("2027-01-15T08:00:00.000000Z"), "{body}");
    }

    #[test]
    fn the_statement_has_as_many_parameters_as_it_is_given() {
        let parameters = parameters(&[message()]).unwrap();
        let sql = insert_sql(4);
        assert!(sql.contains("$4::") && sql.contains("$10::") && !sql.contains("$11"));
        assert_eq!(parameters.len(), 7);
    }
}
