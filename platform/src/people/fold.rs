//! Reduces the events of a batch to what they mean together, per user.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What an event says of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happening {
    /// Created or changed: the bridge has to be asked.
    Changed,
    /// Gone.
    Deleted,
}

/// An event of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UserEvent {
    /// The user.
    pub(super) user_id: Uuid,
    /// When it happened at its source.
    pub(super) at: DateTime<Utc>,
    /// What happened.
    pub(super) what: Happening,
}

/// The meaning of some events: at most one entry per user, in the order of ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Folded {
    /// The newest change of users that were not deleted.
    pub(super) changed: BTreeMap<Uuid, DateTime<Utc>>,
    /// The newest deletion.
    pub(super) deleted: BTreeMap<Uuid, DateTime<Utc>>,
}

/// Folds events in any order: a deletion wins over every change, whatever their times.
pub(super) fn fold(events: impl IntoIterator<Item = UserEvent>) -> Folded {
    let mut folded = Folded::default();
    for event in events {
        let newest = match event.what {
            Happening::Changed => &mut folded.changed,
            Happening::Deleted => &mut folded.deleted,
        };
        let at = newest.entry(event.user_id).or_insert(event.at);
        *at = event.at.max(*at);
    }
    folded
        .changed
        .retain(|user_id, _| !folded.deleted.contains_key(user_id));
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(user: u128, seconds: i64, deleted: bool) -> UserEvent {
        UserEvent {
            user_id: Uuid::from_u128(user),
            at: DateTime::from_timestamp(seconds, 0).unwrap(),
            what: if deleted {
                Happening::Deleted
            } else {
                Happening::Changed
            },
        }
    }

    #[test]
    fn the_newest_change_counts_and_a_deletion_wins_even_when_it_is_older() {
        let events = [
            event(1, 5, false),
            event(1, 3, false),
            event(2, 9, false),
            event(2, 4, true),
        ];
        let folded = fold(events);
        assert_eq!(
            folded.changed,
            BTreeMap::from([(Uuid::from_u128(1), events[0].at)])
        );
        assert_eq!(
            folded.deleted,
            BTreeMap::from([(Uuid::from_u128(2), events[3].at)])
        );
    }

    fn facts() -> impl Strategy<Value = (Vec<UserEvent>, Vec<UserEvent>)> {
        let fact = (0_u128..5, 0_i64..50, any::<bool>());
        proptest::collection::vec(fact, 0..40).prop_flat_map(|facts| {
            let events: Vec<_> = facts
                .iter()
                .map(|(user, at, gone)| event(*user, *at, *gone))
                .collect();
            let twice = [events.clone(), events.clone()].concat();
            (Just(events), Just(twice).prop_shuffle())
        })
    }

    proptest! {
        #[test]
        fn order_and_repetition_do_not_matter((events, shuffled) in facts()) {
            prop_assert_eq!(fold(shuffled), fold(events));
        }
    }
}
