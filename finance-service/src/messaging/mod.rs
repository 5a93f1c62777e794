//! What Finance says to the other services and hears from them.

pub mod consume;
pub mod publish;
