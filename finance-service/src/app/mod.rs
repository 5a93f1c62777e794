//! What Finance does: one transaction per command, and the queries of its pages.

pub mod billing;
pub mod statements;
pub mod task_cache;
