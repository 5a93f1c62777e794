//! What a client has seen so far, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers of one client; they only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeerCounters {
    /// Requests that were sent.
    pub requests: u64,
    /// Those among them that repeated an earlier one of the same call.
    pub retries: u64,
    /// Calls that ended with an answer.
    pub answered: u64,
    /// Calls that ended without one.
    pub failed: u64,
    /// Calls among the failed that the breaker held back.
    pub held_back: u64,
}

/// One number.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The numbers while they grow.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) requests: Counter,
    pub(super) retries: Counter,
    pub(super) answered: Counter,
    pub(super) failed: Counter,
    pub(super) held_back: Counter,
}

impl Counters {
    pub(super) fn read(&self) -> PeerCounters {
        PeerCounters {
            requests: self.requests.get(),
            retries: self.retries.get(),
            answered: self.answered.get(),
            failed: self.failed.get(),
            held_back: self.held_back.get(),
        }
    }
}
