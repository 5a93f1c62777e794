//! Honest tight loops: what the machine gives when nothing but the bare work is done.

pub(crate) mod board;
pub(crate) mod directory;
pub(crate) mod ledger;
pub(crate) mod publisher;

/// As many connections to the database as each service keeps (`max_connections` of its defaults).
const CONNECTIONS: u32 = 10;
