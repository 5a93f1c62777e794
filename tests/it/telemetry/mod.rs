//! What a running system tells of itself: numbers, traces, and how long it keeps things.

mod growth;
mod metrics;
mod monitor;
mod traces;
