//! What the services say to each other: messages, REST bodies, names of exchanges and queues.
//!
//! Source: DESIGN.md sections 5 to 7. Bodies only grow: a reader ignores fields it does not know,
//! a writer never drops or retypes one.
#![warn(missing_docs)]

mod documents;
pub mod finance;
pub mod identity;
mod message;
pub mod messages;
pub mod operations;
pub mod rest;
pub mod tasks;
pub mod timestamp;
pub mod topology;

pub use documents::{Document, documents};
pub use message::{DecodeError, Message, SCHEMA_VERSION, Schema, decode, schemas};
