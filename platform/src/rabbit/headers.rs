//! Headers of messages: the names that are ours, and their way into JSON and back.
//!
//! JSON knows fewer kinds of values than AMQP: widths of numbers and the kind of a text are lost, and no
//! reader of ours asks for them.

use lapin::types::{AMQPValue, FieldArray, FieldTable, ShortString};
use serde_json::{Map, Value};

/// The key under which a message was first published; after a retry the broker's says the queue.
pub(crate) const ORIGIN_KEY: &str = "origin-routing-key";
/// How often a message failed before.
pub(crate) const RETRY_ATTEMPT: &str = "retry-attempt";
/// When it failed first.
pub(crate) const RETRY_FIRST_AT: &str = "retry-first-at";
/// Why it failed last.
pub(crate) const RETRY_ERROR: &str = "retry-error";
/// The parked message that a person sent again as this one.
pub(crate) const PARKED_ID: &str = "parked-id";

/// A header that is a text.
pub(crate) fn text(headers: &FieldTable, name: &str) -> Option<String> {
    match headers.inner().get(name)? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

/// A header that is a whole number.
pub(crate) fn number(headers: &FieldTable, name: &str) -> Option<i64> {
    whole_number(headers.inner().get(name)?)
}

/// Clients of other languages choose the width of a number by themselves.
pub(crate) fn whole_number(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(number) => Some((*number).into()),
        AMQPValue::ShortShortUInt(number) => Some((*number).into()),
        AMQPValue::ShortInt(number) => Some((*number).into()),
        AMQPValue::ShortUInt(number) => Some((*number).into()),
        AMQPValue::LongInt(number) => Some((*number).into()),
        AMQPValue::LongUInt(number) => Some((*number).into()),
        AMQPValue::LongLongInt(number) => Some(*number),
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).parse().ok(),
        _ => None,
    }
}

/// All headers as JSON.
pub(crate) fn to_json(table: &FieldTable) -> Value {
    let fields = table.inner().iter();
    fields
        .map(|(name, value)| (name.as_str().to_owned(), value_to_json(value)))
        .collect()
}

fn value_to_json(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into(),
        AMQPValue::ShortString(text) => text.as_str().into(),
        AMQPValue::Boolean(flag) => (*flag).into(),
        AMQPValue::Float(number) => (*number).into(),
        AMQPValue::Double(number) => (*number).into(),
        AMQPValue::Timestamp(seconds) => (*seconds).into(),
        AMQPValue::FieldArray(items) => items.as_slice().iter().map(value_to_json).collect(),
        AMQPValue::FieldTable(table) => to_json(table),
        AMQPValue::Void => Value::Null,
        other => whole_number(other).map_or_else(|| format!("{other:?}").into(), Value::from),
    }
}

/// Whether a broker acts upon the header or set it itself, so that a message that is sent again must not
/// carry it.
pub(crate) fn is_for_the_broker(name: &str) -> bool {
    name.starts_with("x-") || ["CC", "BCC"].contains(&name)
}

/// Headers from the JSON of an object; anything else is no headers.
pub(crate) fn read(json: &str) -> FieldTable {
    let fields: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
    from_json(&fields)
}

fn from_json(fields: &Map<String, Value>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        // Whatever is too long for a name was never one on the wire.
        if let Ok(name) = ShortString::try_new(name.as_str()) {
            table.insert(name, value_from_json(value));
        }
    }
    table
}

fn value_from_json(value: &Value) -> AMQPValue {
    match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(flag) => AMQPValue::Boolean(*flag),
        Value::Number(number) => number.as_i64().map_or_else(
            || AMQPValue::Double(number.as_f64().unwrap_or_default()),
            AMQPValue::LongLongInt,
        ),
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Array(items) => {
            let mut array = FieldArray::default();
            for item in items {
                array.push(value_from_json(item));
            }
            AMQPValue::FieldArray(array)
        }
        Value::Object(fields) => AMQPValue::FieldTable(from_json(fields)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_comes_back_as_it_went() {
        let headers = json!({
            "schema_version": 1,
            "traceparent": "00-aa-bb-01",
            "list": [true, null, {"n": -3, "x": 1.5}],
        });
        assert_eq!(to_json(&read(&headers.to_string())), headers);
    }

    #[test]
    fn what_is_no_object_is_no_headers() {
        assert_eq!(read("[1]"), FieldTable::default());
    }
}
