//! The task board: files tasks, hands them out at random, and tells the world what became of them.

pub mod app;
pub mod domain;
pub mod messaging;
pub mod store;
