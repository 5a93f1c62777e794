//! What a client says of itself to the operations page.

use serde::{Deserialize, Serialize};

/// How a client is at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerReport {
    /// The peer.
    pub peer: String,
    /// Requests under way.
    pub in_flight: usize,
    /// The most that may be.
    pub max_in_flight: usize,
    /// The most requests in a second.
    pub per_second: u32,
    /// Calls since the start that ended without a request: no token, no room, no turn, or an open breaker.
    pub held_back: u64,
    /// Whether the peer is asked at all.
    pub breaker: BreakerState,
}

/// Whether a peer that kept failing is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// It is.
    Closed,
    /// One call finds out whether it answers again.
    Probing,
    /// It is left alone.
    Open,
}
