//! The auth bridge: turns what Keycloak records into `auth.user.*` messages and answers for its users.
//!
//! Keycloak itself stays untouched: the bridge reads its event stores and its users through the admin
//! REST interface and keeps a copy of the users, from which differences are published and questions
//! are answered.

pub mod admin;
pub mod api;
mod config;
mod examine;
mod monitor;
mod operations;
mod program;
pub mod realm;
pub mod store;
pub mod sync;
pub mod translate;
pub mod user;

pub use self::{config::Config, program::AuthBridge};
