//! The retry budget: retries stay a small share of what succeeds, so that a failing peer is not flooded.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// What a retry costs, in thousandths.
const RETRY: u64 = 1_000;
/// What a success pays in: a fifth of a retry.
const SUCCESS: u64 = 200;
/// What each millisecond pays in: a retry a second.
const PER_MILLISECOND: u64 = 1;
/// The most the budget holds: ten retries.
const MOST: u64 = 10_000;

/// A bucket of retries, full at first.
#[derive(Debug)]
pub(super) struct RetryBudget(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    holds: u64,
    at: Instant,
}

impl Bucket {
    fn fill(&mut self, amount: u64) {
        self.holds = self.holds.saturating_add(amount).min(MOST);
    }

    fn pass_time(&mut self, now: Instant) {
        let millis = now.saturating_duration_since(self.at).as_millis();
        self.fill(
            u64::try_from(millis)
                .unwrap_or(MOST)
                .saturating_mul(PER_MILLISECOND),
        );
        self.at = now;
    }
}

impl RetryBudget {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Bucket {
            holds: MOST,
            at: Instant::now(),
        }))
    }

    /// A call succeeded.
    pub(super) fn deposit(&self) {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.fill(SUCCESS);
    }

    /// Whether one more retry is within the budget, which then pays for it.
    pub(super) fn withdraw(&self) -> bool {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.pass_time(Instant::now());
        let Some(left) = bucket.holds.checked_sub(RETRY) else {
            return false;
        };
        bucket.holds = left;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn empty() -> RetryBudget {
        let budget = RetryBudget::new();
        while budget.withdraw() {}
        budget
    }

    #[tokio::test(start_paused = true)]
    async fn ten_retries_are_free_and_then_one_a_second() {
        let budget = RetryBudget::new();
        assert_eq!((0..20).filter(|_| budget.withdraw()).count(), 10);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(budget.withdraw());
        assert!(!budget.withdraw());
    }

    #[tokio::test(start_paused = true)]
    async fn five_successes_pay_for_one_retry() {
        let budget = empty();
        for _ in 0..4 {
            budget.deposit();
        }
        assert!(!budget.withdraw());
        budget.deposit();
        assert!(budget.withdraw());
    }
}
