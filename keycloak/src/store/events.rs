//! Which events of Keycloak were acted upon, and whose users are read once more.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, sea_query::OnConflict,
};
use uuid::Uuid;

use super::{StoreError, entity::seen_event};
use crate::translate::{Doubt, Recorded};

/// How thorough a look at the event stores is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// A short way back.
    Shallow,
    /// Further back than Keycloak's longest transaction; users of recent events are read once more
    /// whatever was read before, since another node of a Keycloak cluster may have answered long before
    /// it saw the change.
    Deep,
}

/// How far the bridge is with an event that it acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// From when on its user is read once more, since a lockout is recorded before it shows, and
    /// Keycloak's cache shows a change later than its event; none when that is done.
    pub read_again_at: Option<DateTime<Utc>>,
    /// Whether deep looks are done with it too.
    pub is_settled: bool,
}

impl From<&seen_event::Model> for Seen {
    fn from(row: &seen_event::Model) -> Self {
        Self {
            read_again_at: row.read_again_at,
            is_settled: row.is_settled,
        }
    }
}

impl Seen {
    /// Whether a look of this depth acts upon the event although another one did.
    #[must_use]
    pub fn needs_another(self, depth: Depth) -> bool {
        depth == Depth::Deep && !self.is_settled
    }

    /// Whether what a user is like now may be left to the event, whose turn is still to come.
    #[must_use]
    pub fn is_to_come(self, depth: Depth) -> bool {
        self.read_again_at.is_some() || self.needs_another(depth)
    }
}

/// When users are read for events, and once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// When they are read now.
    pub at: DateTime<Utc>,
    /// When those are read once more who are read for the first time.
    pub again_at: DateTime<Utc>,
    /// Deep looks are done with events of before.
    pub settled_before: DateTime<Utc>,
}

impl Reading {
    /// A full comparison comes later than the event anyway and need not be asked for twice.
    fn outcome(&self, event: &Recorded, before: Option<&Seen>) -> Seen {
        let names_nobody = matches!(event.doubt, Some(Doubt::Everybody { .. }));
        let read_again_at = before.map_or(Some(self.again_at), |seen| seen.read_again_at);
        Seen {
            read_again_at: read_again_at.filter(|due| !names_nobody && *due > self.at),
            is_settled: names_nobody || event.at < self.settled_before,
        }
    }
}

/// How far the bridge is with those of `ids` that it acted upon.
///
/// # Errors
/// Those of the database.
pub async fn seen(
    db: &impl ConnectionTrait,
    ids: Vec<String>,
) -> Result<BTreeMap<String, Seen>, StoreError> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = seen_event::Entity::find()
        .filter(seen_event::Column::EventId.is_in(ids))
        .all(db)
        .await?;
    let seen = |row: seen_event::Model| {
        let seen = Seen::from(&row);
        (row.event_id, seen)
    };
    Ok(rows.into_iter().map(seen).collect())
}

/// The first events, at most `limit`, whose users are to be read once more by `now`, and how far the bridge
/// is with them.
///
/// # Errors
/// Those of the database.
pub async fn due(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<(Recorded, Seen)>, StoreError> {
    let rows = seen_event::Entity::find()
        .filter(seen_event::Column::ReadAgainAt.lte(now))
        .order_by_asc(seen_event::Column::ReadAgainAt)
        .limit(limit)
        .all(db)
        .await?;
    let due = |row: seen_event::Model| {
        let seen = Seen::from(&row);
        let event = Recorded {
            event_id: row.event_id,
            at: row.happened_at,
            doubt: row.read_again_user_id.map(Doubt::User),
        };
        (event, seen)
    };
    Ok(rows.into_iter().map(due).collect())
}

/// Those of `users` whom an event names that is yet to be acted upon once more, with the time of the
/// newest.
///
/// # Errors
/// Those of the database.
pub async fn to_read_again(
    db: &impl ConnectionTrait,
    users: Vec<Uuid>,
) -> Result<HashMap<Uuid, DateTime<Utc>>, StoreError> {
    let rows = seen_event::Entity::find()
        .filter(seen_event::Column::ReadAgainUserId.is_in(users))
        .all(db)
        .await?;
    let mut newest = HashMap::new();
    for row in rows {
        if let Some(user_id) = row.read_again_user_id {
            let at = newest.entry(user_id).or_insert(row.happened_at);
            *at = row.happened_at.max(*at);
        }
    }
    Ok(newest)
}

/// Notes that `events`, of which those in `before` were acted upon already, were acted upon at `reading`.
///
/// # Errors
/// Those of the database.
pub async fn record(
    txn: &DatabaseTransaction,
    events: &[Recorded],
    before: &BTreeMap<String, Seen>,
    reading: Reading,
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let rows = events.iter().map(|event| {
        let seen = reading.outcome(event, before.get(&event.event_id));
        seen_event::ActiveModel {
            event_id: Set(event.event_id.clone()),
            happened_at: Set(event.at),
            is_settled: Set(seen.is_settled),
            read_again_user_id: Set(event.user().filter(|_| seen.read_again_at.is_some())),
            read_again_at: Set(seen.read_again_at),
        }
    });
    let seen_before = OnConflict::column(seen_event::Column::EventId)
        .update_columns([
            seen_event::Column::IsSettled,
            seen_event::Column::ReadAgainUserId,
            seen_event::Column::ReadAgainAt,
        ])
        .to_owned();
    seen_event::Entity::insert_many(rows)
        .on_conflict(seen_before)
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Forgets events that no look reaches back to any more.
///
/// # Errors
/// Those of the database.
pub async fn prune(db: &impl ConnectionTrait, before: DateTime<Utc>) -> Result<(), StoreError> {
    seen_event::Entity::delete_many()
        .filter(seen_event::Column::HappenedAt.lt(before))
        .exec(db)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    fn event(millis: i64, doubt: Doubt) -> Recorded {
        Recorded {
            event_id: "e".to_owned(),
            at: at(millis),
            doubt: Some(doubt),
        }
    }

    /// A reading at that time, ten milliseconds before the next, of events settled before the fifth.
    fn reading(millis: i64) -> Reading {
        Reading {
            at: at(millis),
            again_at: at(millis + 10),
            settled_before: at(5),
        }
    }

    #[test]
    fn a_user_is_read_once_more_and_by_deep_looks_until_the_event_is_old() {
        let event = event(5, Doubt::User(Uuid::from_u128(4)));
        let first = reading(6).outcome(&event, None);
        assert_eq!(first.read_again_at, Some(at(16)));
        assert!(!first.needs_another(Depth::Shallow) && first.is_to_come(Depth::Shallow));
        assert!(first.needs_another(Depth::Deep));

        // A deep look that comes too early does not stand for the one that is due.
        let early = reading(15).outcome(&event, Some(&first));
        assert_eq!(early, first);
        let again = reading(16).outcome(&event, Some(&first));
        assert!(!again.is_to_come(Depth::Shallow));
        assert!(again.needs_another(Depth::Deep) && again.is_to_come(Depth::Deep));
    }

    #[test]
    fn users_of_old_events_are_read_once_more_and_then_no_more() {
        let event = event(4, Doubt::Imported(Uuid::from_u128(4)));
        let first = reading(6).outcome(&event, None);
        assert!(!first.needs_another(Depth::Deep) && first.is_to_come(Depth::Deep));
        let again = reading(16).outcome(&event, Some(&first));
        assert!(!again.is_to_come(Depth::Deep));
    }

    #[test]
    fn a_comparison_is_called_for_once() {
        let reason = "GROUP a".to_owned();
        let seen = reading(6).outcome(&event(5, Doubt::Everybody { reason }), None);
        assert!(!seen.is_to_come(Depth::Deep));
    }
}
