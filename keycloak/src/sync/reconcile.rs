//! A full comparison of Keycloak's users with the copy: it finds what no event told.
//!
//! Such as users from a directory, workflows, an import at start, and whatever happened while events
//! were not saved. It goes page by page between the looks at the event stores, so that it delays none.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use platform::mass_deletion::{Alarm, Missing};
use uuid::Uuid;

use super::{SyncConfig, SyncError, Syncer};
use crate::{
    admin::Keycloak,
    store::{
        comparison,
        events::Depth,
        mirror,
        state::{self, SyncState, Term},
    },
    user::Observation,
};

/// The users compared between two looks at the event stores.
const PAGE: u32 = 100;

/// A comparison under way.
#[derive(Debug)]
pub(super) struct Comparison {
    kind: Kind,
    /// Who lived in the copy when it began; whoever comes later cannot be missing.
    known: HashSet<Uuid>,
    compared: u32,
    met: HashSet<Uuid>,
    differences: usize,
}

/// What a comparison is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The copy is empty: nothing in it can be mended.
    First,
    /// An event that names no user called for it; what it finds bears the time of that event.
    CalledFor(DateTime<Utc>),
    /// It is time again, or a person asked; what it finds bears the time at which it is found.
    Regular,
}

/// Whether a comparison goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// There are more users.
    Underway,
    /// All were compared.
    Ended,
}

impl Comparison {
    fn new(kind: Kind, known: HashSet<Uuid>) -> Self {
        Self {
            kind,
            known,
            compared: 0,
            met: HashSet::new(),
            differences: 0,
        }
    }

    /// The time of the event that called for it: the copy is known not to match before it ends.
    pub(super) fn called_for(&self) -> Option<DateTime<Utc>> {
        match self.kind {
            Kind::CalledFor(event_at) => Some(event_at),
            Kind::First | Kind::Regular => None,
        }
    }
}

/// Whether a comparison is due, by request or by the clock.
pub(super) fn is_due(state: &SyncState, config: &SyncConfig, now: DateTime<Utc>) -> bool {
    let interval = TimeDelta::minutes(config.reconcile_minutes.into());
    let by_clock = state.reconciled_at.is_none_or(|at| at + interval <= now);
    let by_request = state.reconcile_due_at.is_some_and(|at| at <= now);
    by_clock || by_request
}

impl<K: Keycloak> Syncer<K> {
    /// Begins a comparison and takes off the request it answers.
    pub(super) async fn begin_comparison(&self, term: Term) -> Result<Comparison, SyncError> {
        let state = state::load(&self.db).await?;
        let txn = state::begin(&self.db, term).await?;
        let event_at = comparison::take_request(&txn).await?;
        state::commit(txn).await?;
        let kind = match event_at {
            _ if state.reconciled_at.is_none() => Kind::First,
            Some(event_at) => Kind::CalledFor(event_at),
            None => Kind::Regular,
        };
        Ok(Comparison::new(kind, mirror::living(&self.db).await?))
    }

    /// Compares one page; the last one settles who is missing.
    pub(super) async fn compare_page(
        &self,
        term: Term,
        comparison: &mut Comparison,
    ) -> Result<Progress, SyncError> {
        let page = self.keycloak.users(comparison.compared, PAGE).await?;
        let count = u32::try_from(page.len()).unwrap_or(u32::MAX);
        let observed = self.observe_profiles(page, self.sources.now()).await?;
        comparison
            .met
            .extend(observed.iter().map(|observed| observed.user_id));
        comparison.compared = comparison.compared.saturating_add(count);
        let differing = mirror::differing(&self.db, observed).await?;
        self.settle(term, comparison, differing).await?;
        if count >= PAGE {
            return Ok(Progress::Underway);
        }
        self.end_comparison(term, comparison).await?;
        Ok(Progress::Ended)
    }

    /// Publishes what is different. An event may tell of it just now: then it is left to the event,
    /// which knows when it happened.
    async fn settle(
        &self,
        term: Term,
        comparison: &mut Comparison,
        mut differing: Vec<Observation>,
    ) -> Result<(), SyncError> {
        if differing.is_empty() {
            return Ok(());
        }
        if comparison.kind != Kind::First {
            self.catch_up(term, comparison).await?;
            let called_for = self.newest_call(comparison).await?;
            let at = called_for.unwrap_or_else(|| self.sources.now());
            differing = self
                .observe(differing.iter().map(|one| (one.user_id, at)))
                .await?;
            let unexplained = differing.iter().map(|one| one.user_id).collect();
            differing = self
                .without_later_events(differing, &unexplained, Depth::Deep)
                .await?;
            differing = self
                .without_events_to_read_again(differing, called_for)
                .await?;
            // Who vanished since the page was read is deleted by an event, or by the next comparison.
            differing.retain(|observed| observed.state.is_some());
        }
        comparison.differences += self.apply(term, differing).await?;
        Ok(())
    }

    /// A lockout, or a change that Keycloak still caches, is recorded a moment before it shows. So whom recent
    /// events named is read once more, or it would bear the time of the comparison instead of its own.
    async fn catch_up(&self, term: Term, comparison: &Comparison) -> Result<(), SyncError> {
        self.poll(term, Depth::Deep, comparison.called_for())
            .await
            .map(drop)
    }

    /// The newest event that names no user and may have caused what is different.
    async fn newest_call(
        &self,
        comparison: &Comparison,
    ) -> Result<Option<DateTime<Utc>>, SyncError> {
        // Such an event may have come while the comparison was under way.
        let pending = state::load(&self.db).await?.reconcile_event_at;
        Ok(comparison.called_for().max(pending))
    }

    async fn end_comparison(
        &self,
        term: Term,
        comparison: &mut Comparison,
    ) -> Result<(), SyncError> {
        // Deletions that events tell of are not missing users.
        self.poll(term, Depth::Shallow, comparison.called_for())
            .await?;
        let mut missing = mirror::living(&self.db).await?;
        missing.retain(|id| comparison.known.contains(id) && !comparison.met.contains(id));
        let found = Missing {
            known: count(comparison.known.len()),
            shown: count(comparison.met.len()),
            missing: count(missing.len()),
        };
        let accepted = state::load(&self.db).await?.accepted_deletions;
        let alarm = self.config.guard().check(found, accepted).err();
        if alarm.is_none() {
            self.settle_missing(term, comparison, missing).await?;
        }
        report(comparison, alarm);
        let txn = state::begin(&self.db, term).await?;
        comparison::end(&txn, self.sources.now(), accepted, alarm).await?;
        state::commit(txn).await?;
        Ok(())
    }

    /// Asks for each missing user by id, since a page may have skipped somebody.
    async fn settle_missing(
        &self,
        term: Term,
        comparison: &mut Comparison,
        missing: HashSet<Uuid>,
    ) -> Result<(), SyncError> {
        let mut missing: Vec<Uuid> = missing.into_iter().collect();
        missing.sort_unstable();
        let called_for = self.newest_call(comparison).await?;
        let at = called_for.unwrap_or_else(|| self.sources.now());
        let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
        for ids in missing.chunks(page) {
            let observed = self.observe(ids.iter().map(|id| (*id, at))).await?;
            let observed = self
                .without_later_events(observed, &HashSet::new(), Depth::Shallow)
                .await?;
            let observed = self
                .without_events_to_read_again(observed, called_for)
                .await?;
            comparison.differences += self.apply(term, observed).await?;
        }
        Ok(())
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

fn report(comparison: &Comparison, alarm: Option<Alarm>) {
    let (compared, differences) = (comparison.compared, comparison.differences);
    if let Some(alarm) = alarm {
        tracing::error!(%alarm, compared, differences, "a full comparison stopped");
    } else {
        tracing::info!(compared, differences, "all users were compared");
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> SyncConfig {
        SyncConfig {
            poll_ms: 1_000,
            overlap_seconds: 15,
            read_again_ms: 500,
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
            reconcile_event_at: None,
            accepted_deletions: 0,
            alarm: None,
            fault: None,
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
}
