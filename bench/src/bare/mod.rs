//! Honest tight loops: what the machine gives when nothing but the bare work is done.

pub(crate) mod board;
pub(crate) mod directory;
pub(crate) mod ledger;
pub(crate) mod publisher;
