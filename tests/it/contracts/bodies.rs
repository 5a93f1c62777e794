//! Bodies are exactly the JSON of DESIGN.md section 5, and readers accept what they must.

use contracts::{
    Message, SCHEMA_VERSION, decode,
    finance::{PayoutMade, TaskPriced},
    identity::{UserChanged, UserCreated, UserDeleted},
    tasks::{TaskAssigned, TaskCancelled, TaskChanged, TaskCompleted},
};
use serde_json::{Value, json};

use crate::support::workspace;

/// The golden example of a message; one once written is never changed.
pub(super) fn golden(key: &str) -> Value {
    let text = workspace::read(format!("contracts/examples/{key}.v{SCHEMA_VERSION}.json"));
    serde_json::from_str(&text).expect("a golden example is JSON")
}

/// The golden example of `M` decodes, and is written again as exactly the same JSON with exactly `fields`.
fn keeps_its_body<M: Message>(key: &str, fields: &[&str]) {
    assert_eq!(M::KEY, key);
    let golden = golden(key);
    let decoded: M =
        decode(golden.to_string().as_bytes()).expect("a golden example decodes for ever");
    let written = serde_json::to_value(&decoded).expect("a body can be written");
    assert_eq!(written, golden);
    let mut names: Vec<&str> = written
        .as_object()
        .expect("a body is an object")
        .keys()
        .map(String::as_str)
        .collect();
    let mut fields = fields.to_vec();
    names.sort_unstable();
    fields.sort_unstable();
    assert_eq!(names, fields);
}

#[test]
fn bodies_are_exactly_the_json_of_the_design() {
    let user = ["user_id", "timestamp"];
    keeps_its_body::<UserCreated>("auth.user.created", &user);
    keeps_its_body::<UserChanged>("auth.user.changed", &user);
    keeps_its_body::<UserDeleted>("auth.user.deleted", &user);
    let performer = ["task_uuid", "assigned_to", "timestamp"];
    keeps_its_body::<TaskAssigned>("tasks.task.assigned", &performer);
    keeps_its_body::<TaskCompleted>("tasks.task.completed", &performer);
    let task = ["task_uuid", "timestamp"];
    keeps_its_body::<TaskChanged>("tasks.task.changed", &task);
    keeps_its_body::<TaskCancelled>("tasks.task.cancelled", &task);
    let price = [
        "task_uuid",
        "fee_cents",
        "reward_cents",
        "currency",
        "timestamp",
    ];
    keeps_its_body::<TaskPriced>("finance.task.priced", &price);
    let payout = [
        "payout_uuid",
        "user_id",
        "working_day",
        "amount_cents",
        "currency",
        "timestamp",
    ];
    keeps_its_body::<PayoutMade>("finance.payout.made", &payout);
}

#[test]
fn a_reader_ignores_a_field_it_does_not_know() {
    let mut body = golden(TaskAssigned::KEY);
    body["added_later"] = json!({"any": ["thing"]});
    let decoded: TaskAssigned =
        decode(body.to_string().as_bytes()).expect("an unknown field is no error");
    assert_eq!(
        serde_json::to_value(decoded).expect("a body can be written"),
        golden(TaskAssigned::KEY)
    );
}

#[test]
fn a_timestamp_of_another_zone_or_precision_is_the_same_instant_in_microseconds() {
    let mut body = golden(TaskChanged::KEY);
    body["timestamp"] = json!("2026-11-19T15:42:01.000003999+01:00");
    let decoded: TaskChanged = decode(body.to_string().as_bytes()).expect("an offset is no error");
    assert_eq!(
        serde_json::to_value(decoded).expect("a body can be written"),
        golden(TaskChanged::KEY)
    );
}

#[test]
fn a_body_with_a_field_missing_or_of_another_type_is_refused() {
    let golden = golden(TaskCompleted::KEY);
    let fields = golden.as_object().expect("a body is an object");
    for field in fields.keys() {
        let mut missing = fields.clone();
        missing.remove(field);
        assert!(
            decode::<TaskCompleted>(Value::from(missing).to_string().as_bytes()).is_err(),
            "without {field}"
        );
        for wrong in [Value::Null, json!(1), json!(""), json!([]), json!({})] {
            let mut body = golden.clone();
            body[field] = wrong;
            assert!(
                decode::<TaskCompleted>(body.to_string().as_bytes()).is_err(),
                "{body}"
            );
        }
    }
}

#[test]
fn bytes_that_are_no_object_are_refused() {
    for bytes in [
        &b""[..],
        b"null",
        b"[]",
        b"\"text\"",
        b"{",
        b"\xff\xfe\x00",
        b"{}trailing",
    ] {
        assert!(decode::<UserChanged>(bytes).is_err(), "{bytes:?}");
    }
}
