//! Pauses that grow with every failure, with jitter so that replicas do not move in step.

use std::time::Duration;

use rand::{RngExt, rngs::StdRng};

/// Doubles its pause up to a limit; each pause is drawn from the upper half of its range.
#[derive(Debug)]
pub struct Backoff {
    shortest: Duration,
    longest: Duration,
    next: Duration,
    rng: StdRng,
}

impl Backoff {
    /// Starts with a pause of up to `shortest`.
    #[must_use]
    pub fn new(shortest: Duration, longest: Duration, rng: StdRng) -> Self {
        Self {
            shortest,
            longest,
            next: shortest,
            rng,
        }
    }

    /// The pause after one more failure.
    pub fn next_pause(&mut self) -> Duration {
        let ceiling = self.next;
        self.next = (ceiling * 2).min(self.longest);
        self.rng.random_range(ceiling / 2..=ceiling)
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.next = self.shortest;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn pauses_grow_to_the_limit_and_start_over_after_a_success() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, 3 * second, StdRng::seed_from_u64(1));
        for ceiling in [second, 2 * second, 3 * second, 3 * second] {
            let pause = backoff.next_pause();
            assert!(
                pause >= ceiling / 2 && pause <= ceiling,
                "{pause:?} of {ceiling:?}"
            );
        }
        backoff.reset();
        assert!(backoff.next_pause() <= second);
    }
}
