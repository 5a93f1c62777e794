//! What is read from Keycloak may be newer than the event that led there.
//!
//! A change that is seen before its own event would bear the older time of another one. Keycloak makes an
//! event visible no later than what it tells of, so whoever has an event to come is left to it.

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
    /// One page of each store is read: while more is waiting, the copy is far behind, and a change may
    /// bear the time of an earlier event.
    pub(super) async fn without_later_events(
        &self,
        mut observations: Vec<Observation>,
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
        let ids = events.iter().map(|event| event.event_id.clone()).collect();
        let done = events::done(&self.db, ids, depth).await?;
        events.retain(|event| !done.contains(&event.event_id));
        observations.retain(|observed| !events.iter().any(|event| is_later(event, observed)));
        Ok(observations)
    }
}

/// Whether `event` names the user observed and happened after what led to the observation.
fn is_later(event: &Recorded, observed: &Observation) -> bool {
    let names = match event.doubt {
        Some(Doubt::User(user_id) | Doubt::Imported(user_id)) => user_id == observed.user_id,
        Some(Doubt::Everybody { .. }) | None => false,
    };
    names && event.at > observed.at
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_later_events_about_the_same_user_take_an_observation_over() {
        let user_id = Uuid::from_u128(4);
        let at = |millis| DateTime::from_timestamp_millis(millis).unwrap();
        let observed = Observation {
            user_id,
            state: None,
            at: at(5),
        };
        let takes_over = |millis, doubt| {
            let event = Recorded {
                event_id: "e".to_owned(),
                at: at(millis),
                doubt: Some(doubt),
            };
            is_later(&event, &observed)
        };
        assert!(takes_over(6, Doubt::User(user_id)));
        assert!(takes_over(6, Doubt::Imported(user_id)));
        assert!(!takes_over(5, Doubt::User(user_id)));
        assert!(!takes_over(6, Doubt::User(Uuid::from_u128(5))));
        let reason = "GROUP a".to_owned();
        assert!(!takes_over(6, Doubt::Everybody { reason }));
    }
}
