//! The circuit breaker: a peer that keeps failing is left alone, then asked once, then trusted again.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::BreakerState;
use crate::{backoff::Backoff, sources::Sources};

/// Failures in a row that open the breaker.
const IN_A_ROW: u32 = 5;
/// How many of the last answers are remembered.
const WINDOW: usize = 20;
/// Failures among a full window that open the breaker.
const IN_WINDOW: usize = 10;
/// The ceilings of the first and of the longest pause; a pause is drawn from the upper half below it.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The pause told to those who come while a probe is under way.
const PROBE_PAUSE: Duration = Duration::from_secs(1);

/// Watches the answers of one peer.
#[derive(Debug)]
pub(super) struct Breaker {
    peer: &'static str,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    pauses: Backoff,
}

#[derive(Debug)]
enum Phase {
    Closed(Recent),
    /// No call until then.
    Open(Instant),
    /// One call is under way and decides.
    Probing,
}

/// The last answers, newest at the back; true is a failure.
#[derive(Debug, Default)]
struct Recent {
    in_a_row: u32,
    failed: VecDeque<bool>,
}

impl Recent {
    fn note(&mut self, failed: bool) {
        self.in_a_row = if failed {
            self.in_a_row.saturating_add(1)
        } else {
            0
        };
        if self.failed.len() == WINDOW {
            self.failed.pop_front();
        }
        self.failed.push_back(failed);
    }

    fn is_too_bad(&self) -> bool {
        let failures = self.failed.iter().filter(|failed| **failed).count();
        self.in_a_row >= IN_A_ROW || (self.failed.len() == WINDOW && failures >= IN_WINDOW)
    }
}

impl Breaker {
    pub(super) fn new(peer: &'static str, sources: &Sources) -> Self {
        show(peer, 0);
        Self {
            peer,
            state: Mutex::new(State {
                phase: Phase::Closed(Recent::default()),
                pauses: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, sources.rng()),
            }),
        }
    }

    /// Lets a call through, or says how long the peer is still to be left alone.
    pub(super) fn admit(&self) -> Result<Permit<'_>, Duration> {
        let mut state = self.lock();
        if let Some(left) = state.rests_for() {
            return Err(left);
        }
        if matches!(state.phase, Phase::Open(_)) {
            state.phase = Phase::Probing;
            show(self.peer, 1);
        }
        Ok(Permit {
            breaker: Some(self),
        })
    }

    /// How long the peer is still to be left alone, if at all.
    pub(super) fn rests_for(&self) -> Option<Duration> {
        self.lock().rests_for()
    }

    /// Whether the peer is asked.
    pub(super) fn state(&self) -> BreakerState {
        match self.lock().phase {
            Phase::Closed(_) => BreakerState::Closed,
            Phase::Probing => BreakerState::Probing,
            Phase::Open(_) => BreakerState::Open,
        }
    }

    fn succeeded(&self) {
        let mut state = self.lock();
        match &mut state.phase {
            Phase::Closed(recent) => recent.note(false),
            Phase::Probing => {
                state.phase = Phase::Closed(Recent::default());
                state.pauses.reset();
                show(self.peer, 0);
                tracing::info!(peer = self.peer, "the peer answers again");
            }
            // An answer to a call from before the opening changes nothing.
            Phase::Open(_) => {}
        }
    }

    fn failed(&self) {
        let mut state = self.lock();
        let opens = match &mut state.phase {
            Phase::Closed(recent) => {
                recent.note(true);
                recent.is_too_bad()
            }
            Phase::Probing => true,
            Phase::Open(_) => false,
        };
        if opens {
            let pause = state.pauses.next_pause();
            tracing::warn!(
                peer = self.peer,
                ?pause,
                "the peer keeps failing and is left alone"
            );
            state.phase = Phase::Open(Instant::now() + pause);
            show(self.peer, 2);
        }
    }

    /// A call ended without an answer that says anything; a probe makes room for the next one.
    fn undecided(&self) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Probing) {
            state.phase = Phase::Open(Instant::now());
            show(self.peer, 2);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the metrics: 0 closed, 1 probing, 2 open; called under the lock, so that the last word holds.
fn show(peer: &'static str, state: u8) {
    metrics::gauge!("task_exchange_peer_breaker", "peer" => peer).set(state);
}

impl State {
    fn rests_for(&self) -> Option<Duration> {
        match self.phase {
            Phase::Closed(_) => None,
            Phase::Open(until) => {
                Some(until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
            }
            Phase::Probing => Some(PROBE_PAUSE),
        }
    }
}

/// One call that was let through; dropped without a word it counts neither way.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    breaker: Option<&'a Breaker>,
}

impl Permit<'_> {
    /// The peer answered, whatever it said.
    pub(super) fn succeeded(mut self) {
        if let Some(breaker) = self.breaker.take() {
            breaker.succeeded();
        }
    }

    /// The peer did not answer, or only that it cannot.
    pub(super) fn failed(mut self) {
        if let Some(breaker) = self.breaker.take() {
            breaker.failed();
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(breaker) = self.breaker.take() {
            breaker.undecided();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    fn breaker() -> Breaker {
        Breaker::new("peer", &Sources::system())
    }

    fn open(breaker: &Breaker) {
        for _ in 0..IN_A_ROW {
            breaker.admit().unwrap().failed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it() {
        let breaker = breaker();
        for _ in 0..4 {
            breaker.admit().unwrap().failed();
        }
        breaker.admit().unwrap().succeeded();
        open(&breaker);
        let left = breaker.admit().unwrap_err();
        assert!((FIRST_PAUSE / 2..=FIRST_PAUSE).contains(&left));
    }

    #[tokio::test(start_paused = true)]
    async fn every_second_answer_of_twenty_failing_opens_it() {
        let breaker = breaker();
        for _ in 0..IN_WINDOW {
            breaker.admit().unwrap().succeeded();
            breaker.admit().unwrap().failed();
        }
        breaker.admit().unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_pause_one_probe_decides() {
        let breaker = breaker();
        open(&breaker);
        sleep(breaker.rests_for().unwrap()).await;

        let probe = breaker.admit().unwrap();
        assert!(breaker.admit().is_err(), "only one probe at a time");
        probe.failed();
        breaker.admit().unwrap_err();

        sleep(breaker.rests_for().unwrap()).await;
        breaker.admit().unwrap().succeeded();
        breaker.admit().unwrap();
        assert!(breaker.rests_for().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_given_up_makes_room_for_the_next() {
        let breaker = breaker();
        open(&breaker);
        sleep(breaker.rests_for().unwrap()).await;
        drop(breaker.admit().unwrap());
        breaker.admit().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_never_pass_thirty_seconds() {
        let breaker = breaker();
        open(&breaker);
        for _ in 0..10 {
            sleep(breaker.rests_for().unwrap()).await;
            breaker.admit().unwrap().failed();
            let left = breaker.admit().unwrap_err();
            assert!((FIRST_PAUSE / 2..=LONGEST_PAUSE).contains(&left));
        }
    }
}
