//! What happens to a message that failed on its own: later again, or parked in the end.

use chrono::{DateTime, Utc};
use contracts::topology::RETRY_DELAYS_MS;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};

use super::incoming::Incoming;
use crate::rabbit::headers::{
    ORIGIN_KEY, RETRY_ATTEMPT, RETRY_ERROR, RETRY_FIRST_AT, is_for_the_broker, text,
};

/// The most characters of an error that travel with the message.
const ERROR_LENGTH: usize = 500;

/// What comes after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Another attempt after this many milliseconds.
    RetryAfter(i64),
    /// All attempts are used up.
    Park,
}

impl NextStep {
    /// `failed_before` attempts failed, and now one more.
    pub(super) fn after(failed_before: u32) -> Self {
        usize::try_from(failed_before)
            .ok()
            .and_then(|level| RETRY_DELAYS_MS.get(level))
            .map_or(Self::Park, |delay_ms| Self::RetryAfter(*delay_ms))
    }
}

/// The properties of the copy that goes to a retry queue.
///
/// What the publisher said of the message is kept. What the broker acts upon is not: its own headers
/// (`x-*`), because brokers from 4.0 on ignore them and older ones would count the copy as the original;
/// and what would lead the copy elsewhere, end it early, or have it refused as somebody else's (`CC`, `BCC`,
/// `expiration`, `user_id`). The counters are ours.
pub(super) fn properties_of_retry(
    message: &Incoming,
    error: &str,
    now: DateTime<Utc>,
) -> BasicProperties {
    let mut headers = FieldTable::default();
    let mut first_at = None;
    if let Some(sent) = message.properties.headers() {
        first_at = text(sent, RETRY_FIRST_AT);
        for (name, value) in sent.inner() {
            if !is_for_the_broker(name.as_str()) {
                headers.insert(name.clone(), value.clone());
            }
        }
    }
    let first_at = first_at.unwrap_or_else(|| contracts::timestamp::format(now));
    let error: String = error.chars().take(ERROR_LENGTH).collect();
    let ours = [
        (
            ORIGIN_KEY,
            AMQPValue::LongString(message.routing_key.as_str().into()),
        ),
        (
            RETRY_ATTEMPT,
            AMQPValue::LongLongInt((message.attempt + 1).into()),
        ),
        (RETRY_FIRST_AT, AMQPValue::LongString(first_at.into())),
        (RETRY_ERROR, AMQPValue::LongString(error.into())),
    ];
    for (name, value) in ours {
        headers.insert(name.into(), value);
    }
    let sent = &message.properties;
    let mut copy = BasicProperties::default()
        .with_delivery_mode(2)
        .with_headers(headers);
    if let Some(id) = sent.message_id() {
        copy = copy.with_message_id(id.clone());
    }
    if let Some(id) = sent.correlation_id() {
        copy = copy.with_correlation_id(id.clone());
    }
    if let Some(kind) = sent.kind() {
        copy = copy.with_type(kind.clone());
    }
    if let Some(app) = sent.app_id() {
        copy = copy.with_app_id(app.clone());
    }
    if let Some(timestamp) = sent.timestamp() {
        copy = copy.with_timestamp(*timestamp);
    }
    if let Some(content_type) = sent.content_type() {
        copy = copy.with_content_type(content_type.clone());
    }
    if let Some(encoding) = sent.content_encoding() {
        copy = copy.with_content_encoding(encoding.clone());
    }
    copy
}

#[cfg(test)]
mod tests {
    use contracts::identity::UserChanged;
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn message(headers: FieldTable, attempt: u32) -> Incoming {
        let body = UserChanged {
            user_id: Uuid::nil(),
            timestamp: at(0),
        };
        let mut message = Incoming::try_of(Uuid::from_u128(1), &body).unwrap();
        message.attempt = attempt;
        message.properties = BasicProperties::default()
            .with_message_id("m-1".into())
            .with_headers(headers);
        message
    }

    #[test]
    fn pauses_grow_and_end_in_parking() {
        let steps: Vec<_> = (0..6).map(NextStep::after).collect();
        let delays = RETRY_DELAYS_MS.map(NextStep::RetryAfter);
        assert_eq!(steps, [&delays[..], &[NextStep::Park]].concat());
        assert_eq!(NextStep::after(u32::MAX), NextStep::Park);
    }

    #[test]
    fn a_copy_keeps_what_the_publisher_set_and_drops_what_the_broker_added() {
        let mut sent = FieldTable::default();
        sent.insert(
            "traceparent".into(),
            AMQPValue::LongString("00-1-2-01".into()),
        );
        sent.insert("x-death".into(), AMQPValue::LongLongInt(1));
        sent.insert("CC".into(), AMQPValue::LongString("elsewhere".into()));
        let mut message = message(sent, 0);
        let properties = message.properties.with_user_id("somebody".into());
        message.properties = properties.with_expiration("1".into());
        let copy = properties_of_retry(&message, "no such account", at(5));
        assert_eq!((copy.user_id(), copy.expiration()), (&None, &None));
        let headers = copy.headers().as_ref().unwrap();
        assert_eq!(copy.message_id().as_ref().unwrap().as_str(), "m-1");
        assert_eq!(text(headers, "traceparent").as_deref(), Some("00-1-2-01"));
        assert!(!headers.inner().contains_key("x-death"));
        assert!(!headers.inner().contains_key("CC"));
        assert_eq!(
            text(headers, ORIGIN_KEY).as_deref(),
            Some("auth.user.changed")
        );
        assert_eq!(
            text(headers, RETRY_ERROR).as_deref(),
            Some("no such account")
        );
    }

    #[test]
    fn a_second_copy_keeps_the_time_of_the_first_failure_and_counts_on() {
        let first = properties_of_retry(&message(FieldTable::default(), 0), "e", at(5));
        let again = message(first.headers().clone().unwrap(), 1);
        let second = properties_of_retry(&again, "e", at(9));
        let headers = second.headers().as_ref().unwrap();
        let first_at = "1970-01-01T00:00:05.000000Z";
        assert_eq!(text(headers, RETRY_FIRST_AT).as_deref(), Some(first_at));
        assert_eq!(
            headers.inner().get(RETRY_ATTEMPT),
            Some(&AMQPValue::LongLongInt(2))
        );
    }
}
