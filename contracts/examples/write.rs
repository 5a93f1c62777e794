//! Writes what is generated from the types, `schemas/` and `documents/`: `cargo run --package contracts --example write`.

use std::{error::Error, fs, path::Path};

use contracts::{SCHEMA_VERSION, documents, schemas};
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for message in schemas() {
        let name = format!("{}.v{SCHEMA_VERSION}.json", message.key);
        write(&root.join("schemas").join(name), &message.schema)?;
    }
    for document in documents() {
        write(
            &root.join("documents").join(document.file),
            &document.content,
        )?;
    }
    Ok(())
}

fn write(path: &Path, content: &Value) -> Result<(), Box<dyn Error>> {
    Ok(fs::write(
        path,
        serde_json::to_string_pretty(content)? + "\n",
    )?)
}
