//! What every message has in common, and how a body is read.

use chrono::{DateTime, Utc};
use schemars::{JsonSchema, schema_for};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{finance, identity, tasks};

/// The version of all bodies, sent in the header `schema_version`.
pub const SCHEMA_VERSION: u16 = 1;

/// The body of one kind of message.
pub trait Message: Serialize + DeserializeOwned + JsonSchema {
    /// The routing key, `<service>.<entity>.<event>`; its first part names the exchange.
    const KEY: &'static str;

    /// The record that the message is about; messages of one record keep their order.
    fn entity_id(&self) -> Uuid;

    /// When it happened at its source, in microseconds.
    fn timestamp(&self) -> DateTime<Utc>;
}

/// Why a body could not be read.
#[derive(Debug)]
pub struct DecodeError {
    /// The routing key under which the body came.
    pub key: &'static str,
    /// What the parser said, with the place in the body.
    pub cause: serde_json::Error,
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the body is no valid {}", self.key)
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Reads the body of one kind of message; fields it does not know are ignored.
///
/// # Errors
/// [`DecodeError`] when the bytes are no JSON object with the fields of `M`.
pub fn decode<M: Message>(body: &[u8]) -> Result<M, DecodeError> {
    serde_json::from_slice(body).map_err(|cause| DecodeError { key: M::KEY, cause })
}

/// A message kind and the JSON Schema of its body.
#[derive(Debug)]
pub struct Schema {
    /// The routing key.
    pub key: &'static str,
    /// The schema, JSON Schema 2020-12.
    pub schema: serde_json::Value,
}

fn schema_of<M: Message>() -> Schema {
    Schema {
        key: M::KEY,
        schema: schema_for!(M).to_value(),
    }
}

/// The schemas of all messages, for the files in `schemas/`.
#[must_use]
pub fn schemas() -> Vec<Schema> {
    vec![
        schema_of::<identity::UserCreated>(),
        schema_of::<identity::UserChanged>(),
        schema_of::<identity::UserDeleted>(),
        schema_of::<tasks::TaskAssigned>(),
        schema_of::<tasks::TaskCompleted>(),
        schema_of::<tasks::TaskChanged>(),
        schema_of::<tasks::TaskCancelled>(),
        schema_of::<finance::TaskPriced>(),
        schema_of::<finance::PayoutMade>(),
    ]
}

/// Gives a body type its routing key, its record and its timestamp.
macro_rules! message {
    ($body:ty, $key:literal, $entity:ident) => {
        impl crate::Message for $body {
            const KEY: &'static str = $key;

            fn entity_id(&self) -> uuid::Uuid {
                self.$entity
            }

            fn timestamp(&self) -> chrono::DateTime<chrono::Utc> {
                self.timestamp
            }
        }
    };
}
pub(crate) use message;
