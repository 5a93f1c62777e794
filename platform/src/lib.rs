//! How a service runs: everything without a business word in it.
#![warn(missing_docs)]

pub mod auth;
pub mod backoff;
pub mod cli;
pub mod config;
pub mod consumer;
pub mod db;
pub mod doctor;
pub mod errors;
pub mod fetch;
pub mod http;
pub mod inbox;
pub mod leader;
pub mod lifecycle;
pub mod metrics;
pub mod monitor;
pub mod operations;
pub mod outbound;
pub mod outbox;
pub mod parked;
pub mod peer;
pub mod people;
pub mod problem;
pub mod prune;
pub mod rabbit;
pub mod rate_limit;
pub mod relay;
pub mod routes;
pub mod signal;
pub mod sources;
pub mod telemetry;
pub mod trace;
pub mod ui;
