//! Named limits: how often a caller may ask, and the pause told to one who asks more.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, Reference},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed, keyed::DashMapStateStore},
};
use tokio::time::Instant;

use crate::lifecycle::Lifecycle;

/// How often callers that stayed away are forgotten.
const HOUSEKEEPING: Duration = Duration::from_mins(1);

/// Time as tokio counts it, so that tests which stop tokio's time stop the limits too.
#[derive(Debug, Clone)]
struct TokioClock {
    began: Instant,
}

impl TokioClock {
    fn new() -> Self {
        Self {
            began: Instant::now(),
        }
    }
}

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

type Limiter<K, S> = RateLimiter<K, S, TokioClock, NoOpMiddleware<Duration>>;

/// One limit for everybody together.
pub struct RateLimit {
    limiter: Limiter<NotKeyed, InMemoryState>,
    clock: TokioClock,
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").finish_non_exhaustive()
    }
}

impl RateLimit {
    /// Lets `per_second` through, and at most that many at once.
    #[must_use]
    pub fn per_second(per_second: NonZeroU32) -> Self {
        let clock = TokioClock::new();
        let limiter = RateLimiter::direct_with_clock(Quota::per_second(per_second), clock.clone());
        Self { limiter, clock }
    }

    /// Takes one turn.
    ///
    /// # Errors
    /// The pause after which the next turn is free; none was taken.
    pub fn take(&self) -> Result<(), Duration> {
        self.limiter
            .check()
            .map_err(|refused| wait(refused.earliest_possible(), &self.clock))
    }
}

/// A limit for each caller, known by name in logs.
#[derive(Clone)]
pub struct CallerLimit {
    name: &'static str,
    limiter: Arc<Limiter<String, DashMapStateStore<String>>>,
    clock: TokioClock,
}

impl fmt::Debug for CallerLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerLimit")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl CallerLimit {
    /// Lets `per_second` of each caller through, and at most that many at once.
    #[must_use]
    pub fn per_second(name: &'static str, per_second: NonZeroU32) -> Self {
        let clock = TokioClock::new();
        let limiter = RateLimiter::new(
            Quota::per_second(per_second),
            DashMapStateStore::default(),
            clock.clone(),
        );
        Self {
            name,
            limiter: Arc::new(limiter),
            clock,
        }
    }

    /// Takes one turn of `caller`.
    ///
    /// # Errors
    /// The pause after which this caller's next turn is free; none was taken.
    pub fn take(&self, caller: &String) -> Result<(), Duration> {
        self.limiter.check_key(caller).map_err(|refused| {
            let pause = wait(refused.earliest_possible(), &self.clock);
            tracing::info!(
                limit = self.name,
                caller,
                ?pause,
                "a caller is over its limit"
            );
            pause
        })
    }

    /// Forgets, every minute, callers that stayed away; otherwise the table of callers only grows.
    pub fn spawn_housekeeping(&self, lifecycle: &Lifecycle) {
        let limiter = Arc::clone(&self.limiter);
        let stopping = lifecycle.stopping();
        lifecycle.spawn("rate limit housekeeping", async move {
            while stopping
                .run_until_cancelled(tokio::time::sleep(HOUSEKEEPING))
                .await
                .is_some()
            {
                limiter.retain_recent();
            }
        });
    }
}

fn wait(earliest: Duration, clock: &TokioClock) -> Duration {
    Duration::from(earliest.duration_since(clock.now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();

    #[tokio::test(start_paused = true)]
    async fn a_caller_over_its_limit_is_told_when_to_return_and_others_are_not_held() {
        let limit = CallerLimit::per_second("test", TWO);
        let (greedy, modest) = ("greedy".to_owned(), "modest".to_owned());
        assert_eq!(limit.take(&greedy), Ok(()));
        assert_eq!(limit.take(&greedy), Ok(()));
        assert_eq!(limit.take(&greedy), Err(Duration::from_millis(500)));
        assert_eq!(limit.take(&modest), Ok(()));

        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(limit.take(&greedy), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_shared_limit_frees_turns_as_time_passes() {
        let limit = RateLimit::per_second(TWO);
        assert_eq!(limit.take(), Ok(()));
        assert_eq!(limit.take(), Ok(()));
        limit.take().unwrap_err();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(limit.take(), Ok(()));
    }
}
