//! What is read from Keycloak may be newer than the event that led there.
//!
//! A change that is seen before its own event would bear the older time of another one. Keycloak makes an
//! event visible no later than what it tells of, so whoever has an event to come is left to it.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{SyncError, Syncer, paging};
use crate::{
    admin::Keycloak,
    store::{
        events::{self, Depth},
        mirror,
        state::EventStore,
    },
    translate::{Doubt, Recorded},
    user::Observation,
};

impl<K: Keycloak> Syncer<K> {
    /// Leaves out whom an event tells of that is later than the observation and whose turn, the first or
    /// another, is still to come for looks of this depth. Whoever acts upon it observes them again.
    ///
    /// Of `unexplained` users it is not known that the event that led to them explains the difference. A later
    /// one that names nobody may do so as well, and then calls for a comparison that finds them.
    ///
    /// One page of each store is read: while more is waiting, the copy is far behind, and a change may
    /// bear the time of an earlier event.
    pub(super) async fn without_later_events(
        &self,
        mut observations: Vec<Observation>,
        unexplained: &HashSet<Uuid>,
        depth: Depth,
    ) -> Result<Vec<Observation>, SyncError> {
        // Mostly nobody differs, and nothing has to be asked for.
        let differing = mirror::differing(&self.db, observations.clone()).await?;
        let Some(since) = differing.iter().map(|observed| observed.at).min() else {
            return Ok(observations);
        };
        let mut events = Vec::new();
        for store in [EventStore::Admin, EventStore::User] {
            events.extend(self.fetch(store, paging::newest(since)).await?);
        }
        events.retain(|event| event.doubt.is_some());
        let seen = self.seen(&events).await?;
        events.retain(|event| {
            let seen = seen.get(&event.event_id);
            seen.is_none_or(|seen| seen.is_to_come(depth))
        });
        observations.retain(|observed| {
            let is_unexplained = unexplained.contains(&observed.user_id);
            !events
                .iter()
                .any(|event| is_later(event, observed, is_unexplained))
        });
        Ok(observations)
    }

    /// Leaves out of what a comparison found whom an event names that is yet to be acted upon once more, since
    /// it knows when the change happened. One of before what called for the comparison does not: what is
    /// different may come from that, and must not look older.
    pub(super) async fn without_events_to_read_again(
        &self,
        mut observations: Vec<Observation>,
        called_for: Option<DateTime<Utc>>,
    ) -> Result<Vec<Observation>, SyncError> {
        let users = observations.iter().map(|observed| observed.user_id);
        let events = events::to_read_again(&self.db, users.collect()).await?;
        observations.retain(|observed| {
            let event_at = events.get(&observed.user_id);
            !event_at.is_some_and(|at| tells_when(*at, called_for))
        });
        Ok(observations)
    }
}

/// Whether what a comparison found may bear the time of an event of the user's own.
fn tells_when(event_at: DateTime<Utc>, called_for: Option<DateTime<Utc>>) -> bool {
    called_for.is_none_or(|called_for| event_at > called_for)
}

/// Whether `event` may tell of the user observed and happened after what led to the observation.
fn is_later(event: &Recorded, observed: &Observation, is_unexplained: bool) -> bool {
    let may_tell = match event.doubt {
        Some(Doubt::User(user_id) | Doubt::Imported(user_id)) => user_id == observed.user_id,
        Some(Doubt::Everybody { .. }) => is_unexplained,
        None => false,
    };
    may_tell && event.at > observed.at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_later_events_that_may_tell_of_the_user_take_an_observation_over() {
        let user_id = Uuid::from_u128(4);
        let at = |millis| DateTime::from_timestamp_millis(millis).unwrap();
        let observed = Observation {
            user_id,
            state: None,
            at: at(5),
        };
        let event = |millis, doubt| Recorded {
            event_id: "e".to_owned(),
            at: at(millis),
            doubt: Some(doubt),
        };
        let takes_over = |millis, doubt| is_later(&event(millis, doubt), &observed, false);
        assert!(takes_over(6, Doubt::User(user_id)));
        assert!(takes_over(6, Doubt::Imported(user_id)));
        assert!(!takes_over(5, Doubt::User(user_id)));
        assert!(!takes_over(6, Doubt::User(Uuid::from_u128(5))));
        let of_everybody = || Doubt::Everybody {
            reason: "GROUP a".to_owned(),
        };
        assert!(!takes_over(6, of_everybody()));
        assert!(is_later(&event(6, of_everybody()), &observed, true));
        assert!(!is_later(&event(5, of_everybody()), &observed, true));
    }

    #[test]
    fn a_comparison_leaves_a_user_to_an_event_unless_a_later_one_called_for_it() {
        let at = |millis| DateTime::from_timestamp_millis(millis).unwrap();
        assert!(tells_when(at(5), None));
        assert!(tells_when(at(5), Some(at(4))));
        assert!(!tells_when(at(5), Some(at(5))));
        assert!(!tells_when(at(5), Some(at(6))));
    }
}
