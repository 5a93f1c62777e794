//! What the leading replica does, again and again, until another one leads or the process stops.

use std::time::Duration;

use platform::{backoff::Backoff, errors};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    SyncError, Syncer,
    check::{self, Unfit},
    reconcile::{self, Comparison, Progress},
};
use crate::{
    admin::{Keycloak, KeycloakError},
    store::{
        events::{self, Depth},
        state::{self, Term},
    },
};

/// The first and the longest pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What one turn leaves for the next.
#[derive(Debug, Default)]
struct Work {
    term: Option<Term>,
    last_deep: Option<Instant>,
    comparison: Option<Comparison>,
    was_compared: bool,
}

impl<K: Keycloak> Syncer<K> {
    /// Works until `leading` is cancelled or another replica is found to lead.
    ///
    /// Failures are logged and followed by growing pauses; they end nothing, since Keycloak and the
    /// database may both be away for long. A turn can be cut off anywhere, as by a crash.
    pub async fn lead(&self, leading: CancellationToken) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, self.sources.rng());
        let mut work = Work::default();
        while let Some(outcome) = leading.run_until_cancelled(self.turn(&mut work)).await {
            let pause = match outcome {
                Ok(progress) => {
                    backoff.reset();
                    self.pause_after(progress)
                }
                Err(error) if error.is_lost_lead() => {
                    tracing::info!("another replica leads now");
                    return;
                }
                Err(error) => {
                    report(&error);
                    backoff.next_pause()
                }
            };
            leading.run_until_cancelled(sleep(pause)).await;
        }
    }

    fn pause_after(&self, progress: Progress) -> Duration {
        match progress {
            Progress::Underway => Duration::ZERO,
            Progress::Ended => self.config.pause(),
        }
    }

    /// One look at the event stores and one step of a comparison when one is due.
    async fn turn(&self, work: &mut Work) -> Result<Progress, SyncError> {
        let term = match work.term {
            Some(term) => term,
            None => *work.term.insert(self.begin_term().await?),
        };
        let deep_pause = Duration::from_secs(self.config.deep_poll_seconds.into());
        if work
            .last_deep
            .is_none_or(|last| last.elapsed() >= deep_pause)
        {
            let began = Instant::now();
            self.poll(term, Depth::Deep).await?;
            self.forget_old_events().await?;
            work.last_deep = Some(began);
        } else {
            self.poll(term, Depth::Shallow).await?;
        }
        self.compare(term, work).await
    }

    /// Begins no term before the rights are there: without them everything read would be wrong.
    async fn begin_term(&self) -> Result<Term, SyncError> {
        check::rights(&self.keycloak, self.sources.now()).await?;
        if let Err(fault) = check::recording(&self.keycloak.settings().await?) {
            tracing::warn!(%fault, "some changes will only be found by full comparisons");
        }
        let term = state::begin_term(&self.db).await?;
        tracing::info!("this replica keeps the copy of users");
        Ok(term)
    }

    /// One step of the comparison under way, or of a new one when that is due.
    async fn compare(&self, term: Term, work: &mut Work) -> Result<Progress, SyncError> {
        let mut comparison = match work.comparison.take() {
            Some(underway) => underway,
            None if self.is_comparison_due(work).await? => self.begin_comparison(term).await?,
            None => return Ok(Progress::Ended),
        };
        let progress = self.compare_page(term, &mut comparison).await;
        if matches!(progress, Ok(Progress::Ended)) {
            work.was_compared = true;
        } else {
            work.comparison = Some(comparison);
        }
        progress
    }

    /// A new leader compares everything once, whatever the clock says.
    async fn is_comparison_due(&self, work: &Work) -> Result<bool, SyncError> {
        let state = state::load(&self.db).await?;
        Ok(!work.was_compared || reconcile::is_due(&state, &self.config, self.sources.now()))
    }

    /// By the time of the newest event, not of the clock: looks reach back from there.
    async fn forget_old_events(&self) -> Result<(), SyncError> {
        let state = state::load(&self.db).await?;
        let newest = [state.admin_events_at, state.user_events_at];
        if let Some(oldest_end) = newest.into_iter().flatten().min() {
            let reach = self.config.overlap(Depth::Deep) * 2;
            events::prune(&self.db, oldest_end - reach).await?;
        }
        Ok(())
    }
}

/// An outage ends by itself; a missing right waits for a person.
fn report(error: &SyncError) {
    let cause = errors::explain(error);
    let needs_a_person = matches!(
        error,
        SyncError::Keycloak(KeycloakError::Forbidden(_))
            | SyncError::Unfit(Unfit::MissingRole(_) | Unfit::RolesHidden)
    );
    if needs_a_person {
        tracing::error!(cause, "users are not watched");
    } else {
        tracing::warn!(cause, "the copy of users cannot be brought up to date");
    }
}
