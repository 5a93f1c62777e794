//! What leaves the service as messages, and what comes in.

pub mod consume;
pub mod publish;
