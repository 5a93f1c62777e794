//! Rebuilds the crate when an SQL file comes or goes, since a macro embeds them.

fn main() {
    for set in ["common", "tasks", "finance", "auth"] {
        println!("cargo::rerun-if-changed={set}");
    }
}
