//! Pauses that grow with every failure, with jitter so that replicas do not move in step.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use rand::{RngExt, rngs::StdRng};

/// Doubles its pause up to a limit; each pause is drawn from the upper half of its range.
#[derive(Debug)]
pub struct Backoff {
    shape: ExponentialBuilder,
    pauses: ExponentialBackoff,
    longest: Duration,
    rng: StdRng,
}

impl Backoff {
    /// Starts with a pause of up to `shortest`.
    #[must_use]
    pub fn new(shortest: Duration, longest: Duration, mut rng: StdRng) -> Self {
        // The jitter adds up to the pause itself, so the halves are what it starts from.
        let shape = ExponentialBuilder::new()
            .with_min_delay(shortest / 2)
            .with_max_delay(longest / 2)
            .without_max_times()
            .with_jitter();
        Self {
            pauses: shape.with_jitter_seed(rng.random()).build(),
            shape,
            longest,
            rng,
        }
    }

    /// The pause after one more failure.
    pub fn next_pause(&mut self) -> Duration {
        self.pauses.next().unwrap_or(self.longest)
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.pauses = self.shape.with_jitter_seed(self.rng.random()).build();
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
