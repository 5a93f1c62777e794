//! A message as it was delivered, and what can be said of it before its body is read.

use contracts::{DecodeError, Message, SCHEMA_VERSION};
use lapin::{BasicProperties, message::Delivery};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Verdict;
use crate::{
    parked::{NewParked, ParkKind},
    rabbit::headers::{self, ORIGIN_KEY, PARKED_ID, RETRY_ATTEMPT},
    trace::{TRACEPARENT, TraceContext},
};

const SCHEMA_VERSION_HEADER: &str = "schema_version";

/// A delivered message.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// Its id, when the publisher gave it a UUID.
    pub message_id: Option<Uuid>,
    /// The key under which it was first published.
    pub routing_key: String,
    /// The body as sent.
    pub body: Vec<u8>,
    /// How often it was tried before and failed.
    pub attempt: u32,
    /// Whether the broker delivered it before, to anybody.
    pub redelivered: bool,
    /// The parked message that a person sent again as this one.
    pub(super) former: Option<Uuid>,
    pub(super) digest: [u8; 32],
    pub(super) delivery_tag: u64,
    pub(super) properties: BasicProperties,
}

impl Incoming {
    /// A message as a publisher of ours would send it, for tests of handlers.
    ///
    /// # Errors
    /// When the body cannot be written as JSON.
    pub fn try_of<M: Message>(message_id: Uuid, message: &M) -> Result<Self, serde_json::Error> {
        let body = serde_json::to_vec(message)?;
        Ok(Self {
            message_id: Some(message_id),
            routing_key: M::KEY.to_owned(),
            digest: Sha256::digest(&body).into(),
            body,
            attempt: 0,
            redelivered: false,
            former: None,
            delivery_tag: 0,
            properties: BasicProperties::default(),
        })
    }

    /// Takes a delivery apart; `own_exchange` is the only one whose retry headers are believed,
    /// because nobody else may publish to it.
    pub(crate) fn of_delivery(delivery: Delivery, own_exchange: &str) -> Self {
        let properties = delivery.properties;
        let retried = delivery.exchange.as_str() == own_exchange;
        let own = properties.headers().as_ref().filter(|_| retried);
        let routing_key = own
            .and_then(|own| headers::text(own, ORIGIN_KEY))
            .unwrap_or_else(|| delivery.routing_key.as_str().to_owned());
        let former = own
            .and_then(|own| headers::text(own, PARKED_ID))
            .and_then(|id| Uuid::parse_str(&id).ok());
        let attempt = own
            .and_then(|own| headers::number(own, RETRY_ATTEMPT))
            .and_then(|attempt| u32::try_from(attempt).ok())
            .unwrap_or(0);
        let message_id = properties.message_id().as_ref();
        Self {
            message_id: message_id.and_then(|id| Uuid::parse_str(id.as_str()).ok()),
            routing_key,
            attempt,
            redelivered: delivery.redelivered,
            former,
            digest: Sha256::digest(&delivery.data).into(),
            body: delivery.data,
            delivery_tag: delivery.delivery_tag,
            properties,
        }
    }

    /// The trace that its publisher named.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        let headers = self.properties.headers().as_ref()?;
        TraceContext::parse(&headers::text(headers, TRACEPARENT)?)
    }

    /// Reads the body.
    ///
    /// # Errors
    /// [`DecodeError`], which is a [`Verdict`] too.
    pub fn decode<M: Message>(&self) -> Result<M, DecodeError> {
        contracts::decode(&self.body)
    }

    /// Reads the body and says what is to be done when it cannot be read.
    ///
    /// # Errors
    /// [`Verdict::Unreadable`].
    pub fn read<M: Message>(&self) -> Result<M, Verdict> {
        self.decode().map_err(Verdict::from)
    }

    /// Why no handler can be asked about it, if that is so.
    pub(super) fn refusal(&self, keys: &[&str]) -> Option<(ParkKind, String)> {
        let version = self.schema_version();
        if !keys.contains(&self.routing_key.as_str()) {
            let reason = format!("nobody here reads the key {}", self.routing_key);
            Some((ParkKind::UnknownKey, reason))
        } else if version != Some(i64::from(SCHEMA_VERSION)) {
            let version = version.map_or_else(|| "no number".to_owned(), |v| v.to_string());
            let reason = format!("schema_version is {version}, known is {SCHEMA_VERSION}");
            Some((ParkKind::UnknownVersion, reason))
        } else {
            None
        }
    }

    /// The message as it is kept for a person.
    pub(super) fn to_parked(
        &self,
        id: Uuid,
        queue: &str,
        kind: ParkKind,
        reason: String,
    ) -> NewParked {
        NewParked {
            id,
            queue: queue.to_owned(),
            routing_key: self.routing_key.clone(),
            message_id: self
                .properties
                .message_id()
                .as_ref()
                .map(|id| id.as_str().to_owned()),
            kind,
            reason,
            attempts: self.attempt.saturating_add(1),
            headers: self
                .properties
                .headers()
                .as_ref()
                .map_or_else(|| json!({}), headers::to_json),
            properties: properties_to_json(&self.properties),
            body: self.body.clone(),
            digest: self.digest,
            former: self.former,
        }
    }

    /// The version it claims; a publisher that claims none is taken to speak ours.
    fn schema_version(&self) -> Option<i64> {
        let headers = self.properties.headers().as_ref();
        match headers.and_then(|headers| headers.inner().get(SCHEMA_VERSION_HEADER)) {
            None => Some(i64::from(SCHEMA_VERSION)),
            Some(value) => headers::whole_number(value),
        }
    }
}

/// All properties but the headers, those that are set.
fn properties_to_json(properties: &BasicProperties) -> Value {
    let text =
        |value: &Option<lapin::types::ShortString>| value.as_ref().map(|v| v.as_str().to_owned());
    let mut fields = json!({
        "content_type": text(properties.content_type()),
        "content_encoding": text(properties.content_encoding()),
        "delivery_mode": properties.delivery_mode(),
        "correlation_id": text(properties.correlation_id()),
        "message_id": text(properties.message_id()),
        "timestamp": properties.timestamp(),
        "type": text(properties.kind()),
        "user_id": text(properties.user_id()),
        "app_id": text(properties.app_id()),
    });
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    fields
}

#[cfg(test)]
mod tests {
    use lapin::types::{AMQPValue, FieldTable};

    use super::*;

    const KEYS: [&str; 1] = ["tasks.task.changed"];

    fn delivery(exchange: &str, key: &str, headers: FieldTable) -> Delivery {
        let mut delivery = Delivery::mock(1, exchange.into(), key.into(), false, b"{}".to_vec());
        delivery.properties = BasicProperties::default().with_headers(headers);
        delivery
    }

    fn retry_headers() -> FieldTable {
        let mut headers = FieldTable::default();
        headers.insert(
            ORIGIN_KEY.into(),
            AMQPValue::LongString("tasks.task.changed".into()),
        );
        headers.insert(RETRY_ATTEMPT.into(), AMQPValue::LongLongInt(3));
        headers
    }

    #[test]
    fn a_retried_message_keeps_its_first_key_and_its_attempts() {
        let retried = delivery("finance.queues", "finance.tasks", retry_headers());
        let incoming = Incoming::of_delivery(retried, "finance.queues");
        assert_eq!(incoming.routing_key, "tasks.task.changed");
        assert_eq!(incoming.attempt, 3);
    }

    #[test]
    fn retry_headers_of_a_stranger_are_not_believed() {
        let forged = delivery("tasks", "tasks.task.other", retry_headers());
        let incoming = Incoming::of_delivery(forged, "finance.queues");
        assert_eq!(incoming.routing_key, "tasks.task.other");
        assert_eq!(incoming.attempt, 0);
    }

    #[test]
    fn an_unknown_key_or_version_is_refused_and_a_missing_version_is_not() {
        let with_version = |key: &str, version: Option<AMQPValue>| {
            let mut headers = FieldTable::default();
            if let Some(version) = version {
                headers.insert(SCHEMA_VERSION_HEADER.into(), version);
            }
            let incoming = Incoming::of_delivery(delivery("tasks", key, headers), "");
            incoming.refusal(&KEYS).map(|(kind, _)| kind)
        };
        let key = "tasks.task.changed";
        assert_eq!(with_version(key, None), None);
        assert_eq!(with_version(key, Some(AMQPValue::ShortInt(1))), None);
        let two = Some(AMQPValue::LongInt(2));
        assert_eq!(with_version(key, two), Some(ParkKind::UnknownVersion));
        let odd = Some(AMQPValue::Boolean(true));
        assert_eq!(with_version(key, odd), Some(ParkKind::UnknownVersion));
        assert_eq!(
            with_version("tasks.task.sung", None),
            Some(ParkKind::UnknownKey)
        );
    }

    #[test]
    fn an_id_that_is_no_uuid_is_no_id() {
        let mut delivery = delivery("tasks", "tasks.task.changed", FieldTable::default());
        delivery.properties = BasicProperties::default().with_message_id("order 66".into());
        assert_eq!(Incoming::of_delivery(delivery, "").message_id, None);
    }
}
