//! A look at the event stores: what is new there, whom it puts in doubt, what became of them.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    SyncError, Syncer,
    paging::{first_page, next_page},
};
use crate::{
    admin::{EventQuery, Keycloak, KeycloakError},
    store::{
        StoreError,
        comparison::{self, ReconcileRequest},
        events::{self, Depth, Reading, Seen},
        mirror,
        state::{self, EventStore, Term},
    },
    translate::{Doubt, Recorded},
};

/// The events that are acted upon once more between two looks, at most: new ones must not wait for long.
const READ_AGAIN_AT_ONCE: u64 = 100;

/// One look at the event stores.
#[derive(Debug, Clone, Copy)]
struct Look {
    term: Term,
    depth: Depth,
    /// The time of the event that called for the comparison under way.
    called_for: Option<DateTime<Utc>>,
}

/// Events that are acted upon together.
#[derive(Debug)]
struct Batch {
    events: Vec<Recorded>,
    /// How far the bridge is with those of them that it acted upon before.
    seen: BTreeMap<String, Seen>,
    /// The store whose place moves on with them.
    store: Option<EventStore>,
}

impl<K: Keycloak> Syncer<K> {
    /// Looks at both event stores, acts once more upon events whose time has come, and answers when it began.
    /// `called_for` is the time of the event that called for the comparison under way.
    pub(super) async fn poll(
        &self,
        term: Term,
        depth: Depth,
        called_for: Option<DateTime<Utc>>,
    ) -> Result<DateTime<Utc>, SyncError> {
        let began = self.sources.now();
        let look = Look {
            term,
            depth,
            called_for,
        };
        let state = state::load(&self.db).await?;
        let stores = [
            (EventStore::Admin, state.admin_events_at),
            (EventStore::User, state.user_events_at),
        ];
        let mut ends = Vec::new();
        for (store, newest) in stores {
            let since = newest.unwrap_or(began) - self.config.overlap(depth);
            let end = self.look_at(store, look, since).await?;
            ends.extend(end.map(|end| (store, end)));
        }
        let txn = state::begin(&self.db, term).await?;
        for (store, end) in ends {
            state::advance(&txn, store, end).await?;
        }
        state::commit(txn).await?;
        self.read_again(look).await?;
        Ok(began)
    }

    /// Acts upon everything from `since` on and returns the time of the newest event.
    async fn look_at(
        &self,
        store: EventStore,
        look: Look,
        since: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, SyncError> {
        let mut met = HashSet::new();
        let mut end = None;
        let mut next = Some(first_page(since));
        while let Some(query) = next {
            let mut events = self.fetch(store, query).await?;
            let newest = events.iter().map(|event| event.at).max();
            next = next_page(query, events.len(), newest);
            end = end.max(newest);
            events.retain(|event| event.doubt.is_some() && met.insert(event.event_id.clone()));
            let seen = self.seen(&events).await?;
            events.retain(|event| {
                let seen = seen.get(&event.event_id);
                seen.is_none_or(|seen| seen.needs_another(look.depth))
            });
            let batch = Batch {
                events,
                seen,
                store: Some(store),
            };
            self.act_upon(look, batch).await?;
        }
        Ok(end)
    }

    /// Whether looks still reach back to the events or not.
    async fn read_again(&self, look: Look) -> Result<(), SyncError> {
        let due = events::due(&self.db, self.sources.now(), READ_AGAIN_AT_ONCE).await?;
        let seen = |(event, seen): &(Recorded, Seen)| (event.event_id.clone(), *seen);
        let batch = Batch {
            seen: due.iter().map(seen).collect(),
            events: due.into_iter().map(|(event, _)| event).collect(),
            store: None,
        };
        let look = Look {
            depth: Depth::Shallow,
            ..look
        };
        self.act_upon(look, batch).await
    }

    pub(super) async fn fetch(
        &self,
        store: EventStore,
        query: EventQuery,
    ) -> Result<Vec<Recorded>, KeycloakError> {
        Ok(match store {
            EventStore::Admin => translated(self.keycloak.admin_events(query).await?),
            EventStore::User => translated(self.keycloak.user_events(query).await?),
        })
    }

    /// Everything that follows from one batch, in one transaction: a crash leaves all of it or nothing.
    /// The place moves on with it, so that a long way to catch up is not begun anew after a crash.
    async fn act_upon(&self, look: Look, batch: Batch) -> Result<(), SyncError> {
        let Batch {
            events,
            seen,
            store,
        } = batch;
        let Some(newest) = events.iter().map(|event| event.at).max() else {
            return Ok(());
        };
        let now = self.sources.now();
        // Events of before may have asked for a comparison, those of the other store in this very look.
        let pending = state::load(&self.db).await?.reconcile_event_at;
        let request = self.request(&events, &seen);
        let called_for_at = request.as_ref().and_then(|request| request.event_at);
        let suspects = suspects(
            &events,
            &seen,
            called_for_at.max(pending).max(look.called_for),
        );
        let unexplained = unexplained(&events, &seen);
        let observations = self.observe(suspects).await?;
        let observations = self
            .without_later_events(observations, &unexplained, look.depth)
            .await?;

        let txn = state::begin(&self.db, look.term).await?;
        if let Some(store) = store {
            state::advance(&txn, store, newest).await?;
        }
        let reading = Reading {
            at: now,
            again_at: now + self.config.read_again_pause(),
            settled_before: now - self.config.deep_pause(),
        };
        events::record(&txn, &events, &seen, reading).await?;
        if let Some(request) = request {
            let reason = &request.reason;
            tracing::info!(reason, "an event calls for a full comparison");
            comparison::request(&txn, request).await?;
        }
        let published = mirror::apply(&txn, &self.sources, observations).await?;
        state::commit(txn).await?;
        let new = events
            .iter()
            .filter(|event| !seen.contains_key(&event.event_id));
        let new = u64::try_from(new.count()).unwrap_or(u64::MAX);
        metrics::counter!("task_exchange_bridge_events_total").increment(new);
        if published > 0 {
            tracing::info!(events = events.len(), published, "users changed");
            self.outbox.wake();
        }
        Ok(())
    }

    /// How far the bridge is with those of `events` that it acted upon.
    pub(super) async fn seen(
        &self,
        events: &[Recorded],
    ) -> Result<BTreeMap<String, Seen>, StoreError> {
        let ids = events.iter().map(|event| event.event_id.clone());
        events::seen(&self.db, ids.collect()).await
    }

    /// The comparison that new events which name no user call for, soon but not for each of them.
    fn request(
        &self,
        events: &[Recorded],
        seen: &BTreeMap<String, Seen>,
    ) -> Option<ReconcileRequest> {
        let (reason, event_at) = everybody(events, seen)?;
        let delay = TimeDelta::seconds(self.config.reconcile_delay_seconds.into());
        Some(ReconcileRequest {
            due_at: self.sources.now() + delay,
            reason,
            event_at: Some(event_at),
        })
    }
}

fn translated<E: Into<Recorded>>(events: Vec<E>) -> Vec<Recorded> {
    events.into_iter().map(Into::into).collect()
}

/// Each user in doubt with the time of the newest event about them.
///
/// What is different when an event is looked at again may as well come from a later one that named no
/// user, and must not look older than that.
fn suspects(
    events: &[Recorded],
    seen: &BTreeMap<String, Seen>,
    called_for_at: Option<DateTime<Utc>>,
) -> BTreeMap<Uuid, DateTime<Utc>> {
    let mut suspects = BTreeMap::new();
    for event in events {
        if let Some(user_id) = event.user() {
            let later = called_for_at.filter(|_| seen.contains_key(&event.event_id));
            let at = later.map_or(event.at, |later| later.max(event.at));
            let newest = suspects.entry(user_id).or_insert(at);
            *newest = at.max(*newest);
        }
    }
    suspects
}

/// Users of whom all events were looked at before: what is different may as well come from a later event
/// that named no user.
fn unexplained(events: &[Recorded], seen: &BTreeMap<String, Seen>) -> HashSet<Uuid> {
    let named = |is_seen: bool| {
        let events = events
            .iter()
            .filter(move |event| seen.contains_key(&event.event_id) == is_seen);
        events.filter_map(Recorded::user)
    };
    let new: HashSet<Uuid> = named(false).collect();
    named(true)
        .filter(|user_id| !new.contains(user_id))
        .collect()
}

/// The first new reason to doubt everybody, and the time of the newest.
fn everybody(
    events: &[Recorded],
    seen: &BTreeMap<String, Seen>,
) -> Option<(String, DateTime<Utc>)> {
    let reasons = || {
        let new = events
            .iter()
            .filter(|event| !seen.contains_key(&event.event_id));
        new.filter_map(|event| match &event.doubt {
            Some(Doubt::Everybody { reason }) => Some((reason.as_str(), event.at)),
            Some(Doubt::Imported(_)) => Some(("a partial import", event.at)),
            Some(Doubt::User(_)) | None => None,
        })
    };
    let (first, _) = reasons().next()?;
    let newest = reasons().map(|(_, at)| at).max()?;
    Some((first.to_owned(), newest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    fn event(millis: i64, doubt: Doubt) -> Recorded {
        Recorded {
            event_id: format!("e{millis}"),
            at: at(millis),
            doubt: Some(doubt),
        }
    }

    fn seen<const N: usize>(ids: [&str; N]) -> BTreeMap<String, Seen> {
        let seen = Seen {
            read_again_at: None,
            is_settled: false,
        };
        ids.map(|id| (id.to_owned(), seen)).into()
    }

    #[test]
    fn a_user_in_several_events_is_read_once_as_of_the_newest() {
        let user = Uuid::from_u128(4);
        let events = [5, 9, 7].map(|millis| event(millis, Doubt::User(user)));
        assert_eq!(
            suspects(&events, &seen([]), Some(at(20)))
                .into_iter()
                .collect::<Vec<_>>(),
            [(user, at(9))]
        );
        assert_eq!(everybody(&events, &seen([])), None);
    }

    #[test]
    fn the_first_reason_to_doubt_everybody_is_kept_with_the_newest_time() {
        let events = [(5, "GROUP a"), (9, "GROUP b"), (7, "GROUP c")].map(|(millis, reason)| {
            let reason = reason.to_owned();
            event(millis, Doubt::Everybody { reason })
        });
        let seen = seen([]);
        assert_eq!(
            everybody(&events, &seen),
            Some(("GROUP a".to_owned(), at(9)))
        );
        assert_eq!(suspects(&events, &seen, None).len(), 0);
    }

    #[test]
    fn an_import_puts_the_user_in_doubt_and_everybody_once() {
        let user = Uuid::from_u128(4);
        let events = [event(5, Doubt::Imported(user))];
        for seen in [seen([]), seen(["e5"])] {
            let suspects = suspects(&events, &seen, None);
            assert_eq!(suspects.get(&user), Some(&at(5)));
        }
        assert!(everybody(&events, &seen([])).is_some());
        assert!(everybody(&events, &seen(["e5"])).is_none());
    }

    #[test]
    fn whoever_has_a_new_event_is_explained_by_it() {
        let [old, both] = [4, 5].map(Uuid::from_u128);
        let events = [
            event(5, Doubt::User(old)),
            event(6, Doubt::User(both)),
            event(7, Doubt::User(both)),
        ];
        assert_eq!(
            unexplained(&events, &seen(["e5", "e6"])),
            HashSet::from([old])
        );
    }

    #[test]
    fn what_is_found_when_an_event_is_looked_at_again_may_come_from_a_later_one() {
        let user = Uuid::from_u128(4);
        let events = [event(5, Doubt::User(user))];
        let again = |called_for_at| {
            let suspects = suspects(&events, &seen(["e5"]), called_for_at);
            suspects.get(&user).copied()
        };
        assert_eq!(again(None), Some(at(5)));
        assert_eq!(again(Some(at(4))), Some(at(5)));
        assert_eq!(again(Some(at(9))), Some(at(9)));
    }
}
