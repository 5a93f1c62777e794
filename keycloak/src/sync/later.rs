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
    /// Leaves out whom an event tells of that is later than the observation and that no look of this depth
    /// acted upon. The look that comes to that event observes them again.
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
        self.retain_unfinished(&mut events, depth).await?;
        observations.retain(|observed| {
            let is_unexplained = unexplained.contains(&observed.user_id);
            !events
                .iter()
                .any(|event| is_later(event, observed, is_unexplained))
        });
        Ok(observations)
    }

    /// Leaves out of what a comparison found whom an event names that the next looks act upon once more,
    /// since it knows when the change happened. One of before what called for the comparison does not: what
    /// is different may come from that, and must not look older.
    pub(super) async fn without_events_to_read_again(
        &self,
        mut observations: Vec<Observation>,
        called_for: Option<DateTime<Utc>>,
    ) -> Result<Vec<Observation>, SyncError> {
        let users = observations.iter().map(|observed| observed.user_id);
        let events = events::to_read_again(&self.db, users.collect()).await?;
        observations.retain(|observed| {
            let event_at = events.get(&observed.user_id);
            event_at.is_none_or(|at| called_for.is_some_and(|called_for| *at <= called_for))
        });
        Ok(observations)
    }
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
}
