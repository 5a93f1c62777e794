//! A full comparison of Keycloak's users with the copy: it finds what no event told.
//!
//! Such as users from a directory, workflows, an import at start, and whatever happened while events
//! were not saved. It goes page by page between the looks at the event stores, so that it delays none.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{SyncConfig, SyncError, Syncer};
use crate::{
    admin::Keycloak,
    store::{
        mirror,
        state::{self, SyncState, Term},
    },
    user::Observation,
};

/// The users compared between two looks at the event stores.
const PAGE: u32 = 100;

/// A comparison under way.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    compared: u32,
    met: HashSet<Uuid>,
    differences: usize,
}

/// Whether a comparison goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// There are more users.
    Underway,
    /// All were compared.
    Ended,
}

/// Why a comparison deleted nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Alarm {
    #[error("Keycloak shows no user at all where {known} were known; nobody was deleted")]
    Empty { known: usize },
    #[error("more than {allowed} of {known} users are missing in Keycloak; nobody was deleted")]
    TooMany { known: usize, allowed: usize },
}

/// Whether a comparison is due, by request or by the clock.
pub(super) fn is_due(state: &SyncState, config: &SyncConfig, now: DateTime<Utc>) -> bool {
    let interval = TimeDelta::minutes(config.reconcile_minutes.into());
    let by_clock = state.reconciled_at.is_none_or(|at| at + interval <= now);
    let by_request = state.reconcile_due_at.is_some_and(|at| at <= now);
    by_clock || by_request
}

/// The most users that may be missing at once.
fn allowed(config: &SyncConfig, known: usize) -> usize {
    let share = u128::from(config.max_missing_percent);
    let by_share = u128::try_from(known)
        .unwrap_or(u128::MAX)
        .saturating_mul(share)
        / 100;
    let few = usize::try_from(config.max_missing).unwrap_or(usize::MAX);
    usize::try_from(by_share).unwrap_or(usize::MAX).max(few)
}

impl<K: Keycloak> Syncer<K> {
    /// Begins a comparison and takes off the request it answers.
    pub(super) async fn begin_comparison(&self, term: Term) -> Result<Comparison, SyncError> {
        let txn = state::begin(&self.db, term).await?;
        state::take_request(&txn).await?;
        state::commit(txn).await?;
        Ok(Comparison::default())
    }

    /// Compares one page; the last one settles who is missing.
    pub(super) async fn compare_page(
        &self,
        term: Term,
        comparison: &mut Comparison,
    ) -> Result<Progress, SyncError> {
        let page = self.keycloak.users(comparison.compared, PAGE).await?;
        let count = u32::try_from(page.len()).unwrap_or(u32::MAX);
        let observations = self.observe_profiles(page, self.sources.now()).await?;
        comparison
            .met
            .extend(observations.iter().map(|observed| observed.user_id));
        comparison.differences += self.apply(term, observations).await?;
        comparison.compared = comparison.compared.saturating_add(count);
        if count >= PAGE {
            return Ok(Progress::Underway);
        }
        self.end_comparison(term, comparison).await?;
        Ok(Progress::Ended)
    }

    async fn end_comparison(
        &self,
        term: Term,
        comparison: &mut Comparison,
    ) -> Result<(), SyncError> {
        let known = mirror::living(&self.db).await?;
        let mut missing: Vec<Uuid> = known.difference(&comparison.met).copied().collect();
        missing.sort_unstable();
        let alarm = self
            .settle_missing(term, comparison, known.len(), missing)
            .await?;
        if let Some(alarm) = alarm {
            tracing::error!(%alarm, "a full comparison stopped");
        } else {
            let (compared, differences) = (comparison.compared, comparison.differences);
            tracing::info!(compared, differences, "all users were compared");
        }
        let txn = state::begin(&self.db, term).await?;
        let alarm = alarm.map(|alarm| alarm.to_string());
        state::end_reconcile(&txn, self.sources.now(), alarm).await?;
        state::commit(txn).await?;
        Ok(())
    }

    /// Asks for each missing user by id, since a page may have skipped somebody; those who are really
    /// gone are deleted together, or nobody is when they are too many.
    async fn settle_missing(
        &self,
        term: Term,
        comparison: &mut Comparison,
        known: usize,
        missing: Vec<Uuid>,
    ) -> Result<Option<Alarm>, SyncError> {
        if comparison.met.is_empty() && known > 0 {
            return Ok(Some(Alarm::Empty { known }));
        }
        let allowed = allowed(&self.config, known);
        let now = self.sources.now();
        let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
        let mut gone = Vec::new();
        for ids in missing.chunks(page) {
            let observed = self.observe(ids.iter().map(|id| (*id, now))).await?;
            let (alive, dead): (Vec<_>, Vec<_>) = observed
                .into_iter()
                .partition(|observed| observed.state.is_some());
            comparison.differences += self.apply(term, alive).await?;
            gone.extend(dead);
            if gone.len() > allowed {
                return Ok(Some(Alarm::TooMany { known, allowed }));
            }
        }
        comparison.differences += self.apply(term, gone).await?;
        Ok(None)
    }

    async fn apply(&self, term: Term, observations: Vec<Observation>) -> Result<usize, SyncError> {
        let txn = state::begin(&self.db, term).await?;
        let published = mirror::apply(&txn, &self.sources, observations).await?;
        state::commit(txn).await?;
        if published > 0 {
            self.outbox.wake();
        }
        Ok(published)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> SyncConfig {
        SyncConfig {
            poll_ms: 1_000,
            overlap_seconds: 15,
            deep_poll_seconds: 60,
            deep_overlap_seconds: 360,
            reconcile_minutes: 60,
            reconcile_delay_seconds: 5,
            max_missing: 5,
            max_missing_percent: 10,
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn state(reconciled_at: Option<i64>, due_at: Option<i64>) -> SyncState {
        SyncState {
            admin_events_at: None,
            user_events_at: None,
            as_of: None,
            reconciled_at: reconciled_at.map(at),
            reconcile_due_at: due_at.map(at),
            reconcile_reason: None,
            alarm: None,
        }
    }

    #[test]
    fn a_comparison_is_due_at_first_then_by_the_clock_and_by_request() {
        let is_due = |state: SyncState| is_due(&state, &config(), at(10_000));
        assert!(is_due(state(None, None)));
        assert!(!is_due(state(Some(9_999), None)));
        assert!(is_due(state(Some(6_400), None)));
        assert!(!is_due(state(Some(9_999), Some(10_001))));
        assert!(is_due(state(Some(9_999), Some(10_000))));
    }

    #[test]
    fn a_few_may_be_missing_of_few_and_a_share_of_many() {
        assert_eq!(allowed(&config(), 6), 5);
        assert_eq!(allowed(&config(), 100_000), 10_000);
        assert_eq!(allowed(&config(), usize::MAX), usize::MAX / 10);
    }
}
