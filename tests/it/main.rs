//! Every integration test of the workspace, in one binary so that it links once.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper that cannot go on fails the test that called it, and says where"
)]

mod access;
mod architecture;
mod archive;
mod auth;
mod broker;
mod consumer;
mod contracts;
mod database;
mod faults;
mod finance;
mod identity;
mod operations;
mod support;
mod tasks;
mod telemetry;
