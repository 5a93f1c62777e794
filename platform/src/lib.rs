//! How a service runs: everything without a business word in it.
#![warn(missing_docs)]

pub mod cli;
pub mod config;
pub mod db;
pub mod doctor;
pub mod http;
pub mod leader;
pub mod lifecycle;
pub mod outbox;
pub mod problem;
pub mod sources;
pub mod telemetry;
pub mod backoff;
pub mod rabbit;
pub mod signal;
pub mod ui;
pub mod auth;
pub mod outbound;
pub mod peer;
pub mod rate_limit;
pub mod inbox;
pub mod parked;
pub mod consumer;
pub mod errors;
pub mod fetch;
pub mod people;
pub mod relay;
