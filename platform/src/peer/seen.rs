//! What a client tells the metrics: requests by outcome, time and number under way, calls held back.

use std::{
    future::Future,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::time::{Instant, error::Elapsed};

use super::PeerError;

/// The eye on one peer.
#[derive(Debug)]
pub(super) struct Seen {
    peer: &'static str,
    in_flight: AtomicUsize,
    held_back: AtomicU64,
}

impl Seen {
    pub(super) fn new(peer: &'static str) -> Self {
        metrics::gauge!("task_exchange_peer_in_flight", "peer" => peer).set(0);
        // So that the first one is seen as a change.
        for reason in ["busy", "throttled", "open", "token"] {
            metrics::counter!("task_exchange_peer_held_back_total", "peer" => peer, "reason" => reason)
                .absolute(0);
        }
        Self {
            peer,
            in_flight: AtomicUsize::new(0),
            held_back: AtomicU64::new(0),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Calls that ended without a request.
    pub(super) fn held_back(&self) -> u64 {
        self.held_back.load(Ordering::Relaxed)
    }

    /// Watches one request from its head to the end of its answer.
    pub(super) async fn request<T>(
        &self,
        sending: impl Future<Output = Result<Result<T, PeerError>, Elapsed>>,
    ) -> Result<T, PeerError> {
        let began = Instant::now();
        let _under_way = UnderWay::new(self);
        let outcome = sending.await.unwrap_or(Err(PeerError::Deadline));
        let word = outcome.as_ref().map_or_else(PeerError::outcome, |_| "ok");
        metrics::counter!("task_exchange_peer_requests_total", "peer" => self.peer, "outcome" => word)
            .increment(1);
        metrics::histogram!("task_exchange_peer_request_seconds", "peer" => self.peer)
            .record(began.elapsed());
        outcome
    }

    /// A call ended without an answer that helps; `has_sent` says whether the peer was asked.
    pub(super) fn call_failed(&self, error: &PeerError, has_sent: bool) {
        let held_back = !has_sent
            && matches!(
                error,
                PeerError::Busy
                    | PeerError::Throttled { .. }
                    | PeerError::Open { .. }
                    | PeerError::Token(_)
            );
        if held_back {
            self.held_back.fetch_add(1, Ordering::Relaxed);
            let reason = error.outcome();
            metrics::counter!("task_exchange_peer_held_back_total", "peer" => self.peer, "reason" => reason)
                .increment(1);
        }
        tracing::debug!(peer = self.peer, %error, "a call failed");
    }
}

/// Counts a request for as long as it exists, also when its caller gives up.
struct UnderWay<'a>(&'a Seen);

impl<'a> UnderWay<'a> {
    fn new(seen: &'a Seen) -> Self {
        seen.in_flight.fetch_add(1, Ordering::SeqCst);
        metrics::gauge!("task_exchange_peer_in_flight", "peer" => seen.peer).increment(1);
        Self(seen)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        metrics::gauge!("task_exchange_peer_in_flight", "peer" => self.0.peer).decrement(1);
    }
}
