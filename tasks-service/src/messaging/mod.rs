//! What leaves the service as messages, and what comes in.

pub mod publish;
