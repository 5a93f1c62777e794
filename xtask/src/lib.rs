//! Runs, tests and measures the whole system on one machine: `cargo xtask up`, `test`, `bench`.
//!
//! A library beside the binary, so that tests can compare `compose.yaml` with [`facts`],
//! [`ports`] and [`parts::services`].

pub mod cli;
pub mod console;
pub mod facts;
pub mod parts;
pub mod ports;

mod bench;
mod binaries;
mod command;
mod debian;
mod description;
mod down;
mod environment;
mod failure;
mod files;
mod hex;
mod interrupt;
mod keycloak_tree;
mod manage;
mod node_modules;
mod packages;
mod people;
mod probe;
mod process;
mod programs;
mod realm;
mod schedule;
mod secrets;
mod state;
mod test;
mod up;
