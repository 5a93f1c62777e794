//! Keeps the structure of the repository: who may know whom, and what every file looks like.

mod compose;
mod crates;
mod files;
mod layers;
