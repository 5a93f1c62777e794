//! Rows of the outbox on their way to the broker.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use uuid::Uuid;

use crate::rabbit::{
    Outgoing,
    headers::{self, ORIGIN_KEY},
};

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) position: i64,
    pub(super) message_id: Uuid,
    pub(super) exchange: String,
    pub(super) routing_key: String,
    pub(super) entity_id: Uuid,
    pub(super) schema_version: i16,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) traceparent: Option<String>,
    pub(super) body: String,
    /// The JSON of all headers of a message that is sent again; what is sent first has none here.
    pub(super) headers: Option<String>,
    pub(super) next_at: Option<DateTime<Utc>>,
}

impl Row {
    /// The message with the properties of DESIGN.md section 5.
    pub(super) fn to_outgoing(&self) -> Outgoing<'_> {
        let headers = match &self.headers {
            Some(sent) => headers::read(sent),
            None => self.own_headers(),
        };
        // A message that is sent again goes to a queue; what it is says the key it first had. A stranger
        // may have put there what does not fit.
        let first_key = headers::text(&headers, ORIGIN_KEY);
        let first_key = first_key.and_then(|key| ShortString::try_new(key).ok());
        let key = first_key.unwrap_or_else(|| self.routing_key.as_str().into());
        let whole = key.as_str();
        let service = whole.split_once('.').map_or(whole, |(service, _)| service);
        let seconds = u64::try_from(self.occurred_at.timestamp()).unwrap_or_default();
        let properties = BasicProperties::default()
            .with_message_id(self.message_id.to_string().into())
            .with_app_id(service.into())
            .with_type(key)
            .with_timestamp(seconds)
            .with_content_type("application/json".into())
            .with_delivery_mode(2)
            .with_headers(headers);
        Outgoing {
            exchange: &self.exchange,
            routing_key: &self.routing_key,
            properties,
            body: self.body.as_bytes(),
        }
    }

    fn own_headers(&self) -> FieldTable {
        let mut headers = FieldTable::default();
        headers.insert(
            "schema_version".into(),
            AMQPValue::LongLongInt(self.schema_version.into()),
        );
        if let Some(traceparent) = &self.traceparent {
            let value = AMQPValue::LongString(traceparent.as_str().into());
            headers.insert("traceparent".into(), value);
        }
        headers
    }
}

/// The rows that may leave now, in order: not those that wait after a failure, nor later ones of the
/// same record. `held` collects the records that wait.
pub(super) fn ready(rows: Vec<Row>, held: &mut HashSet<Uuid>, now: DateTime<Utc>) -> Vec<Row> {
    let may_leave = |row: &Row| {
        if row.next_at.is_some_and(|at| at > now) {
            held.insert(row.entity_id);
        }
        !held.contains(&row.entity_id)
    };
    let mut rows = rows;
    rows.retain(may_leave);
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn row(position: i64, entity: u128, next_at: Option<i64>) -> Row {
        Row {
            position,
            message_id: Uuid::from_u128(99),
            exchange: "tasks.in".to_owned(),
            routing_key: "tasks.task.changed".to_owned(),
            entity_id: Uuid::from_u128(entity),
            schema_version: 1,
            occurred_at: at(1_800_000_000),
            traceparent: Some("00-aa-bb-01".to_owned()),
            body: "{}".to_owned(),
            headers: None,
            next_at: next_at.map(at),
        }
    }

    #[test]
    fn a_message_carries_all_properties() {
        let row = row(1, 1, None);
        let outgoing = row.to_outgoing();
        let properties = &outgoing.properties;
        let text = |value: &Option<ShortString>| value.clone().unwrap().to_string();
        assert_eq!(
            text(properties.message_id()),
            Uuid::from_u128(99).to_string()
        );
        assert_eq!(text(properties.kind()), "tasks.task.changed");
        assert_eq!(text(properties.app_id()), "tasks");
        assert_eq!(text(properties.content_type()), "application/json");
        assert_eq!(*properties.timestamp(), Some(1_800_000_000));
        assert_eq!(*properties.delivery_mode(), Some(2));
        let headers = properties.headers().as_ref().unwrap().inner();
        assert_eq!(
            headers.get("schema_version"),
            Some(&AMQPValue::LongLongInt(1))
        );
        assert!(headers.contains_key("traceparent"));
    }

    #[test]
    fn a_message_that_is_sent_again_says_what_it_first_was() {
        let headers = r#"{"origin-routing-key": "auth.user.changed", "schema_version": 7}"#;
        let row = Row {
            exchange: "tasks.queues".to_owned(),
            routing_key: "tasks.auth".to_owned(),
            headers: Some(headers.to_owned()),
            ..row(1, 1, None)
        };
        let outgoing = row.to_outgoing();
        assert_eq!(outgoing.routing_key, "tasks.auth");
        let properties = &outgoing.properties;
        assert_eq!(
            properties.kind().as_ref().unwrap().as_str(),
            "auth.user.changed"
        );
        assert_eq!(properties.app_id().as_ref().unwrap().as_str(), "auth");
        let sent = properties.headers().as_ref().unwrap();
        assert_eq!(headers::number(sent, "schema_version"), Some(7));
    }

    #[test]
    fn what_a_stranger_made_too_long_is_left_out() {
        let (key, name) = ("k".repeat(300), "n".repeat(300));
        let headers = serde_json::json!({ "origin-routing-key": key, name: 1, "kept": 2 });
        let row = Row {
            routing_key: "tasks.auth".to_owned(),
            headers: Some(headers.to_string()),
            ..row(1, 1, None)
        };
        let outgoing = row.to_outgoing();
        let properties = &outgoing.properties;
        assert_eq!(properties.kind().as_ref().unwrap().as_str(), "tasks.auth");
        let sent = properties.headers().as_ref().unwrap();
        assert_eq!(headers::number(sent, "kept"), Some(2));
        assert_eq!(sent.inner().len(), 2);
    }

    #[test]
    fn a_row_that_waits_holds_later_rows_of_its_record_and_lets_others_pass() {
        let rows = vec![
            row(1, 7, None),
            row(2, 7, Some(10)),
            row(3, 8, None),
            row(4, 7, None),
        ];
        let mut held = HashSet::new();
        let leaving = ready(rows, &mut held, at(5));
        let positions: Vec<_> = leaving.iter().map(|row| row.position).collect();
        assert_eq!(positions, [1, 3]);
        assert_eq!(held, HashSet::from([Uuid::from_u128(7)]));
        assert_eq!(ready(vec![row(5, 7, None)], &mut held, at(5)), []);
    }

    proptest! {
        #[test]
        fn no_record_ever_overtakes_itself(
            facts in proptest::collection::vec((0_u128..4, any::<bool>()), 0..40),
        ) {
            let rows: Vec<_> = (0_i64..)
                .zip(&facts)
                .map(|(position, (entity, waits))| row(position, *entity, waits.then_some(10)))
                .collect();
            let leaving = ready(rows.clone(), &mut HashSet::new(), at(5));
            for left in rows.iter().filter(|row| !leaving.contains(row)) {
                let overtaken = leaving
                    .iter()
                    .any(|row| row.entity_id == left.entity_id && row.position > left.position);
                prop_assert!(!overtaken, "{} was overtaken", left.position);
            }
        }
    }
}
