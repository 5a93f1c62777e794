//! Which failures of a call are tried again inside its deadline, and after which pause.

use std::time::Duration;

use reqwest::StatusCode;

use super::PeerError;
use crate::{backoff::Backoff, sources::Sources};

/// The most attempts of one call.
const MOST_ATTEMPTS: u32 = 3;
/// The ceiling of the first pause.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The ceiling of any pause that the peer did not ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The attempts of one call so far.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// Whether the peer was asked at all.
    pub(super) has_sent: bool,
    failed: u32,
    internal_errors: u32,
    replayed: bool,
    pauses: Option<Backoff>,
}

impl Attempts {
    /// Whether a refused token may be renewed and the call sent again: once per call.
    pub(super) fn replay_once(&mut self) -> bool {
        !std::mem::replace(&mut self.replayed, true)
    }

    /// The pause before the next attempt; none when `error` ends the call.
    ///
    /// The pause grows, with jitter, or is what the peer asked for when that is longer.
    pub(super) fn pause_after(&mut self, error: &PeerError, sources: &Sources) -> Option<Duration> {
        self.failed = self.failed.saturating_add(1);
        if self.failed >= MOST_ATTEMPTS || !self.is_worth_another(error) {
            return None;
        }
        let pause = self
            .pauses
            .get_or_insert_with(|| Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, sources.rng()))
            .next_pause();
        Some(pause.max(error.retry_after().unwrap_or_default()))
    }

    fn is_worth_another(&mut self, error: &PeerError) -> bool {
        match error {
            PeerError::Unreachable(_) | PeerError::Unavailable { .. } => true,
            PeerError::Failed { status } if *status == StatusCode::INTERNAL_SERVER_ERROR => {
                self.internal_errors = self.internal_errors.saturating_add(1);
                self.internal_errors == 1
            }
            PeerError::Failed { status } => {
                [StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT].contains(status)
            }
            _ => false,
        }
    }
}
