//! What the leading replica does, again and again, until another one leads or the process stops.

use std::{mem, time::Duration};

use platform::{backoff::Backoff, errors};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    SyncError, Syncer, check,
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
    noted: Noted,
}

/// What administrators are told of the work.
#[derive(Debug, Default, PartialEq, Eq)]
enum Noted {
    /// Whatever the leader before left.
    #[default]
    Unknown,
    /// That all is well.
    Sound,
    /// What went wrong last.
    Fault(String),
}

impl Work {
    /// Nothing of a term survives the discovery that it must not go on; what happened meanwhile is
    /// then found by a comparison.
    fn give_up(&mut self) {
        *self = Self {
            noted: mem::take(&mut self.noted),
            ..Self::default()
        };
    }
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
                    self.note_recovery(&mut work).await;
                    self.pause_after(progress)
                }
                Err(error) if error.is_lost_lead() => {
                    tracing::info!("another replica leads now");
                    return;
                }
                Err(error) => {
                    self.note_fault(&mut work, &error).await;
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
        let deep_pause = self.config.deep_pause();
        if work
            .last_deep
            .is_none_or(|last| last.elapsed() >= deep_pause)
        {
            let began = Instant::now();
            check::fitness(&self.keycloak, self.sources.now()).await?;
            self.look_around(term, work, Depth::Deep).await?;
            self.forget_old_events().await?;
            work.last_deep = Some(began);
        } else {
            self.look_around(term, work, Depth::Shallow).await?;
        }
        self.compare(term, work).await
    }

    /// A look after which the copy matches Keycloak, unless a comparison has to show it.
    async fn look_around(&self, term: Term, work: &Work, depth: Depth) -> Result<(), SyncError> {
        let called_for = work.comparison.as_ref().and_then(Comparison::called_for);
        let began = self.poll(term, depth, called_for).await?;
        if called_for.is_none() {
            let txn = state::begin(&self.db, term).await?;
            state::set_as_of(&txn, began).await?;
            state::commit(txn).await?;
        }
        Ok(())
    }

    /// Begins no term before the rights are there: without them everything read would be wrong. They are
    /// looked at again before every deep look, since a person can take them away.
    async fn begin_term(&self) -> Result<Term, SyncError> {
        check::fitness(&self.keycloak, self.sources.now()).await?;
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

    /// For the operations page, and once for the log: an outage fails every turn.
    async fn note_fault(&self, work: &mut Work, error: &SyncError) {
        if error.is_unfit() {
            work.give_up();
        }
        let cause = errors::explain(error);
        if matches!(&work.noted, Noted::Fault(noted) if *noted == cause) {
            return;
        }
        report(error, &cause);
        // While the database is away, too, the next failure tries again.
        work.noted = match state::set_fault(&self.db, self.sources.now(), &cause).await {
            Ok(()) => Noted::Fault(cause),
            Err(_) => Noted::Unknown,
        };
    }

    async fn note_recovery(&self, work: &mut Work) {
        if work.noted == Noted::Sound {
            return;
        }
        match state::clear_fault(&self.db).await {
            Ok(()) => {
                tracing::info!("users are watched");
                work.noted = Noted::Sound;
            }
            Err(error) => tracing::warn!(%error, "the recovery cannot be noted"),
        }
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
fn report(error: &SyncError, cause: &str) {
    let needs_a_person =
        error.is_unfit() || matches!(error, SyncError::Keycloak(KeycloakError::Forbidden(_)));
    if needs_a_person {
        tracing::error!(cause, "users are not watched");
    } else {
        tracing::warn!(cause, "the copy of users cannot be brought up to date");
    }
}
