//! A schema only grows: readers and writers of the last release understand those of today.
//!
//! The schemas of the last release lie in `contracts/schemas/released/` and are replaced at each release.

use contracts::{SCHEMA_VERSION, schemas};
use serde_json::{Map, Value, json};

use crate::support::workspace;

/// Why messages written after `current` could not be exchanged with a program of the release `released`.
fn breaks(released: &Value, current: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if required(released) != required(current) {
        found.push(format!(
            "required fields were {:?} and are {:?}",
            required(released),
            required(current)
        ));
    }
    for (name, before) in properties(released) {
        match properties(current).get(&name) {
            None => found.push(format!("the field {name} is gone")),
            Some(after) if constraints(after) != constraints(&before) => {
                found.push(format!("the field {name} has another type"));
            }
            Some(_) => {}
        }
    }
    found
}

fn properties(schema: &Value) -> Map<String, Value> {
    schema["properties"]
        .as_object()
        .expect("a body has fields")
        .clone()
}

fn required(schema: &Value) -> Vec<String> {
    let listed = schema["required"].as_array().into_iter().flatten();
    let mut names: Vec<String> = listed
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names
}

/// A field's schema without the words that only people read.
fn constraints(field: &Value) -> Value {
    let mut field = field.clone();
    if let Some(field) = field.as_object_mut() {
        field.remove("description");
        field.remove("title");
    }
    field
}

#[test]
fn no_message_breaks_a_program_of_the_last_release() {
    for message in schemas() {
        let path = format!(
            "contracts/schemas/released/{}.v{SCHEMA_VERSION}.json",
            message.key
        );
        let released: Value =
            serde_json::from_str(&workspace::read(path)).expect("a schema is JSON");
        let found = breaks(&released, &message.schema);
        assert!(
            found.is_empty(),
            "{}: {found:#?}; a breaking change needs a new version",
            message.key
        );
    }
}

#[test]
fn a_field_that_goes_changes_type_or_becomes_required_is_noticed() {
    let released = json!({"properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]});
    let gone = json!({"properties": {"a": {"type": "string"}}, "required": ["a"]});
    let retyped = json!({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]});
    let demanded = json!({"properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a", "b"]});
    for broken in [gone, retyped, demanded] {
        assert_eq!(breaks(&released, &broken).len(), 1, "{broken}");
    }
}

#[test]
fn a_new_optional_field_or_another_description_breaks_nobody() {
    let released = json!({"properties": {"a": {"type": "string"}}, "required": ["a"]});
    let grown = json!({
        "properties": {"a": {"type": "string", "description": "new words"}, "b": {"type": "integer"}},
        "required": ["a"],
    });
    assert!(breaks(&released, &grown).is_empty());
}
