//! The schema files are those of the types, and the golden examples obey them.

use std::path::Path;

use contracts::{SCHEMA_VERSION, schemas};
use serde_json::{Value, json};

use super::bodies::golden;
use crate::support::workspace;

#[test]
fn the_schema_files_are_those_of_the_types() {
    for message in schemas() {
        let path = format!("contracts/schemas/{}.v{SCHEMA_VERSION}.json", message.key);
        let stored: Value =
            serde_json::from_str(&workspace::read(&path)).expect("a schema is JSON");
        assert_eq!(
            stored, message.schema,
            "{path} is stale: run cargo run --package contracts --example write_schemas"
        );
    }
}

#[test]
fn every_message_has_a_schema_file_and_a_golden_example_and_none_is_left_over() {
    let is_json = |path: &Path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    };
    let mut expected: Vec<String> = schemas()
        .iter()
        .map(|message| format!("{}.v{SCHEMA_VERSION}.json", message.key))
        .collect();
    expected.sort_unstable();
    for folder in ["contracts/schemas", "contracts/examples"] {
        let files = workspace::files(folder, |path| {
            is_json(path) && path.parent() == Some(Path::new(folder))
        });
        let names = files
            .iter()
            .filter_map(|path| path.file_name())
            .map(|name| name.to_string_lossy().into_owned());
        assert_eq!(names.collect::<Vec<_>>(), expected, "{folder}");
    }
}

#[test]
fn golden_examples_obey_their_schemas() {
    for message in schemas() {
        let validator =
            jsonschema::draft202012::new(&message.schema).expect("a schema is a schema");
        validator
            .validate(&golden(message.key))
            .expect("the golden example obeys the schema");
    }
}

#[test]
fn a_schema_refuses_a_body_without_one_of_its_fields() {
    for message in schemas() {
        let validator =
            jsonschema::draft202012::new(&message.schema).expect("a schema is a schema");
        let golden = golden(message.key);
        for field in golden.as_object().expect("a body is an object").keys() {
            let mut body = golden.clone();
            body.as_object_mut()
                .expect("a body is an object")
                .remove(field);
            assert!(!validator.is_valid(&body), "{}: {body}", message.key);
            body[field] = json!({});
            assert!(!validator.is_valid(&body), "{}: {body}", message.key);
        }
    }
}
