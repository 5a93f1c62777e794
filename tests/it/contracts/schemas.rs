//! The generated files are those of the types, and the golden examples obey the schemas.

use std::path::Path;

use contracts::{SCHEMA_VERSION, documents, schemas};
use serde_json::{Value, json};

use super::bodies::golden;
use crate::support::workspace;

#[test]
fn the_schema_files_are_those_of_the_types() {
    for message in schemas() {
        let path = format!("contracts/schemas/{}.v{SCHEMA_VERSION}.json", message.key);
        assert_generated(&path, &message.schema);
    }
}

#[test]
fn the_interface_documents_are_those_of_the_types_and_none_is_left_over() {
    let mut expected = Vec::new();
    for document in documents() {
        let path = format!("contracts/documents/{}", document.file);
        assert_generated(&path, &document.content);
        expected.push(path);
    }
    expected.sort_unstable();
    let files = workspace::files("contracts/documents", |_path| true);
    let stored: Vec<_> = files.iter().map(|path| path.to_string_lossy()).collect();
    assert_eq!(stored, expected);
}

fn assert_generated(path: &str, content: &Value) {
    let stored: Value = serde_json::from_str(&workspace::read(path)).expect("the file is JSON");
    assert_eq!(
        &stored, content,
        "{path} is stale: run cargo run --package contracts --example write"
    );
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
