//! A parked message as it is sent again: its id, its headers, and the queue it came from.

use chrono::{DateTime, Utc};
use contracts::topology::{CONSUMER_QUEUES, queues_exchange};
use sea_orm::FromQueryResult;
use serde_json::Map;
use uuid::Uuid;

use super::ResolveError;
use crate::rabbit::headers::{
    ORIGIN_KEY, PARKED_ID, RETRY_ATTEMPT, RETRY_ERROR, RETRY_FIRST_AT, is_for_the_broker,
};

/// A message that waits for a person.
#[derive(Debug, FromQueryResult)]
pub(super) struct Waiting {
    pub(super) id: Uuid,
    pub(super) queue: String,
    pub(super) routing_key: String,
    pub(super) message_id: Option<String>,
    pub(super) headers: serde_json::Value,
    pub(super) properties: serde_json::Value,
    pub(super) body: Vec<u8>,
    pub(super) digest: Vec<u8>,
    pub(super) parked_at: DateTime<Utc>,
}

/// A message on its way to the outbox.
pub(super) struct Again {
    pub(super) message_id: Uuid,
    pub(super) exchange: String,
    pub(super) headers: String,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) body: String,
    pub(super) of: Waiting,
}

impl Again {
    pub(super) fn try_new(of: Waiting, body: String) -> Result<Self, ResolveError> {
        let queue = CONSUMER_QUEUES
            .into_iter()
            .find(|queue| queue.name == of.queue)
            .ok_or(ResolveError::NoSuchQueue)?;
        let sent_at = of
            .properties
            .get("timestamp")
            .and_then(serde_json::Value::as_i64);
        let sent_at = sent_at.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let sent_id = of.message_id.as_deref();
        Ok(Self {
            // Without an id of ours it takes the parked one's, so that its retry is applied once.
            message_id: sent_id
                .and_then(|id| Uuid::parse_str(id).ok())
                .unwrap_or(of.id),
            exchange: queues_exchange(queue.consumer),
            headers: headers_of_retry(&of).to_string(),
            occurred_at: sent_at.unwrap_or(of.parked_at),
            body,
            of,
        })
    }
}

/// The headers it came with, but for the broker's and those of its earlier attempts.
fn headers_of_retry(of: &Waiting) -> serde_json::Value {
    let spent = [RETRY_ATTEMPT, RETRY_FIRST_AT, RETRY_ERROR];
    let is_kept = |name: &str| !is_for_the_broker(name) && !spent.contains(&name);
    let sent = of.headers.as_object();
    let kept = sent.into_iter().flatten().filter(|(name, _)| is_kept(name));
    let mut headers: Map<String, serde_json::Value> = kept
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    headers.insert(ORIGIN_KEY.to_owned(), of.routing_key.as_str().into());
    headers.insert(PARKED_ID.to_owned(), of.id.to_string().into());
    headers.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn waiting() -> Waiting {
        Waiting {
            id: Uuid::from_u128(9),
            queue: "finance.tasks".to_owned(),
            routing_key: "tasks.task.assigned".to_owned(),
            message_id: Some(Uuid::from_u128(1).to_string()),
            headers: json!({
                "schema_version": 1, "traceparent": "00-a", "retry-attempt": 5, "retry-error": "no",
                "retry-first-at": "then", "x-death": [], "CC": ["elsewhere"], "origin-routing-key": "old", "parked-id": "old",
            }),
            properties: json!({ "timestamp": 1_800_000_000 }),
            body: b"{}".to_vec(),
            digest: vec![0; 32],
            parked_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_retry_keeps_the_headers_of_the_publisher_and_begins_its_attempts_anew() {
        let again = Again::try_new(waiting(), "{}".to_owned()).unwrap();
        let headers: serde_json::Value = serde_json::from_str(&again.headers).unwrap();
        let expected = json!({
            "schema_version": 1, "traceparent": "00-a", "origin-routing-key": "tasks.task.assigned",
            "parked-id": Uuid::from_u128(9).to_string(),
        });
        assert_eq!(headers, expected);
        assert_eq!(again.exchange, "finance.queues");
        assert_eq!(again.message_id, Uuid::from_u128(1));
        assert_eq!(again.occurred_at.timestamp(), 1_800_000_000);
    }

    #[test]
    fn a_message_without_an_id_of_ours_takes_that_of_the_parked_one() {
        for message_id in [None, Some("order 66".to_owned())] {
            let without = Waiting {
                message_id,
                ..waiting()
            };
            let again = Again::try_new(without, "{}".to_owned()).unwrap();
            assert_eq!(again.message_id, Uuid::from_u128(9));
        }
    }

    #[test]
    fn a_queue_that_is_gone_takes_nothing() {
        let elsewhere = Waiting {
            queue: "finance.tasks.v0".to_owned(),
            ..waiting()
        };
        let refused = Again::try_new(elsewhere, "{}".to_owned());
        assert!(matches!(refused, Err(ResolveError::NoSuchQueue)));
    }
}
