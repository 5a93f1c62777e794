//! Writes the JSON Schema of every message to `schemas/`: `cargo run --package contracts --example write_schemas`.

use std::{error::Error, fs, path::Path};

use contracts::{SCHEMA_VERSION, schemas};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    for message in schemas() {
        let name = format!("{}.v{SCHEMA_VERSION}.json", message.key);
        let text = serde_json::to_string_pretty(&message.schema)?;
        fs::write(folder.join(name), text + "\n")?;
    }
    Ok(())
}
