//! Where time, ids and randomness come from; everything else takes them as arguments.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};
use uuid::{ContextV7, Timestamp, Uuid};

/// A clock with the precision of the wire and of PostgreSQL: microseconds.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present instant.
    fn now(&self) -> DateTime<Utc>;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    fn now(&self) -> DateTime<Utc> {
        timestamp::to_micros(Utc::now())
    }
}

/// A clock that stands still until it is moved, for tests and demonstrations.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<DateTime<Utc>>>);

impl ManualClock {
    /// A clock that shows `at`.
    #[must_use]
    pub fn new(at: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(timestamp::to_micros(at))))
    }

    /// Shows `at` from now on.
    pub fn set(&self, at: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = timestamp::to_micros(at);
    }

    /// Moves on by `by`.
    pub fn advance(&self, by: TimeDelta) {
        let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *at += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time, ids and randomness of one process; cheap to clone, clones share their state.
#[derive(Clone)]
pub struct Sources {
    clock: Arc<dyn Clock>,
    ids: Arc<Mutex<ContextV7>>,
    rng: Arc<Mutex<StdRng>>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl Sources {
    /// The machine's clock and randomness of the operating system.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that seeds randomness"
    )]
    pub fn system() -> Self {
        Self::with(Arc::new(SystemClock), StdRng::from_rng(&mut rand::rng()))
    }

    /// A clock that is set by hand and randomness that repeats, for tests.
    #[must_use]
    pub fn manual(clock: ManualClock, seed: u64) -> Self {
        Self::with(Arc::new(clock), StdRng::seed_from_u64(seed))
    }

    /// The machine's randomness beside a clock of one's own choice.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    fn with(clock: Arc<dyn Clock>, rng: StdRng) -> Self {
        Self {
            clock,
            ids: Arc::new(Mutex::new(ContextV7::new())),
            rng: Arc::new(Mutex::new(rng)),
        }
    }

    /// The present instant, cut to microseconds.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A fresh UUIDv7 of the present instant; ids of one process grow.
    #[must_use]
    pub fn new_id(&self) -> Uuid {
        let now = self.now();
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Uuid::new_v7(Timestamp::from_unix(
            &*ids,
            seconds,
            now.timestamp_subsec_nanos(),
        ))
    }

    /// An independent generator, seeded from this process's own.
    #[must_use]
    pub fn rng(&self) -> StdRng {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        StdRng::from_rng(&mut *rng)
    }

    /// `N` bytes that nobody can guess: for session ids, nonces and keys.
    #[must_use]
    pub fn secret<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng().fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_instant_grow_and_differ() {
        let clock = ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let sources = Sources::manual(clock, 7);
        let ids: Vec<_> = (0..100).map(|_| sources.new_id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn the_same_seed_gives_the_same_secrets() {
        let clock = ManualClock::new(DateTime::from_timestamp(0, 0).unwrap());
        let secret = |seed| Sources::manual(clock.clone(), seed).secret::<16>();
        assert_eq!(secret(1), secret(1));
        assert_ne!(secret(1), secret(2));
    }
}
