//! What administrators see and move on (DESIGN.md section 8): what is stuck, why, and who did what about it.

pub mod activity;
pub mod audit;
pub mod copies;
pub mod dead;
pub mod heartbeat;
pub mod snapshot;
pub mod web;
