//! What all clients of a peer share, whatever they ask it for: so it is spared by all of them together.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::Client;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

use super::{PeerConfig, PeerError, PeerReport, breaker::Breaker, budget::RetryBudget, seen::Seen};
use crate::{
    outbound::{self, Timeouts},
    rate_limit::RateLimit,
    sources::Sources,
};

/// Time to make a connection.
const CONNECT: Duration = Duration::from_millis(300);

/// What the clients of a peer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: &'static str,
    pub(super) base: String,
    pub(super) deadline: Duration,
    pub(super) http: Client,
    pub(super) slots: Semaphore,
    max_in_flight: usize,
    per_second: u32,
    limit: RateLimit,
    paused_until: Mutex<Option<Instant>>,
    pub(super) breaker: Breaker,
    pub(super) budget: RetryBudget,
    pub(super) seen: Seen,
    pub(super) sources: Sources,
}

impl Shared {
    pub(super) fn try_new(
        name: &'static str,
        config: &PeerConfig,
        sources: Sources,
    ) -> reqwest::Result<Self> {
        let deadline = Duration::from_millis(config.deadline_ms);
        let http = outbound::client(Timeouts {
            connect: CONNECT,
            request: deadline,
        })?;
        let slots = usize::try_from(config.max_in_flight.get())
            .unwrap_or(Semaphore::MAX_PERMITS)
            .min(Semaphore::MAX_PERMITS);
        Ok(Self {
            name,
            base: config.url.as_str().trim_end_matches('/').to_owned(),
            deadline,
            http,
            slots: Semaphore::new(slots),
            max_in_flight: slots,
            per_second: config.per_second.get(),
            limit: RateLimit::per_second(config.per_second),
            paused_until: Mutex::new(None),
            breaker: Breaker::new(name, &sources),
            budget: RetryBudget::new(),
            seen: Seen::new(name),
            sources,
        })
    }

    pub(super) fn report(&self) -> PeerReport {
        PeerReport {
            peer: self.name.to_owned(),
            in_flight: self.seen.in_flight(),
            max_in_flight: self.max_in_flight,
            per_second: self.per_second,
            held_back: self.seen.held_back(),
            breaker: self.breaker.state(),
        }
    }

    /// Waits for the pause after a 429 and for a turn of the limit, unless that passes the deadline.
    pub(super) async fn wait_for_turn(&self, deadline: Instant) -> Result<(), PeerError> {
        loop {
            let retry_after = match self.pause_left() {
                Some(left) => left,
                None => match self.limit.take() {
                    Ok(()) => return Ok(()),
                    Err(left) => left,
                },
            };
            if Instant::now() + retry_after >= deadline {
                return Err(PeerError::Throttled { retry_after });
            }
            sleep(retry_after).await;
        }
    }

    fn pause_left(&self) -> Option<Duration> {
        let until = *self
            .paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until
            .map(|until| until.saturating_duration_since(Instant::now()))
            .filter(|left| !left.is_zero())
    }

    pub(super) fn pause_for(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut paused = self
            .paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *paused = Some(paused.map_or(until, |earlier| earlier.max(until)));
    }
}
