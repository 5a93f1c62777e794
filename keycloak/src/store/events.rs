//! Which events of Keycloak were acted upon.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QuerySelect, sea_query::OnConflict,
};

use super::{StoreError, entity::seen_event};
use crate::translate::{Doubt, Recorded};

/// How thorough a look at the event stores is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// A short way back; events seen once are done.
    Shallow,
    /// Further back than Keycloak's longest transaction; users of recent events are read once more,
    /// since a lockout is recorded before it shows, and another node of a Keycloak cluster may have
    /// answered before it saw the change.
    Deep,
}

/// Those of `ids` that need no more attention from a look of this depth.
///
/// # Errors
/// Those of the database.
pub async fn done(
    db: &impl ConnectionTrait,
    ids: Vec<String>,
    depth: Depth,
) -> Result<HashSet<String>, StoreError> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let mut query = seen_event::Entity::find()
        .select_only()
        .column(seen_event::Column::EventId)
        .filter(seen_event::Column::EventId.is_in(ids));
    if depth == Depth::Deep {
        query = query.filter(seen_event::Column::IsSettled.eq(true));
    }
    let ids: Vec<String> = query.into_tuple().all(db).await?;
    Ok(ids.into_iter().collect())
}

/// Notes that `events` were acted upon, for good if they happened before `settled_before`.
///
/// # Errors
/// Those of the database.
pub async fn record(
    txn: &DatabaseTransaction,
    events: &[Recorded],
    settled_before: DateTime<Utc>,
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let rows = events.iter().map(|event| seen_event::ActiveModel {
        event_id: Set(event.event_id.clone()),
        happened_at: Set(event.at),
        is_settled: Set(is_settled(event, settled_before)),
    });
    let seen_before = OnConflict::column(seen_event::Column::EventId)
        .update_column(seen_event::Column::IsSettled)
        .to_owned();
    seen_event::Entity::insert_many(rows)
        .on_conflict(seen_before)
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// A full comparison comes later than the event anyway and need not be asked for twice.
fn is_settled(event: &Recorded, settled_before: DateTime<Utc>) -> bool {
    event.at < settled_before || matches!(event.doubt, Some(Doubt::Everybody { .. }))
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
    use uuid::Uuid;

    use super::*;

    #[test]
    fn users_of_recent_events_are_read_again_and_comparisons_are_called_for_once() {
        let at = |millis| DateTime::from_timestamp_millis(millis).unwrap();
        let settled = |millis, doubt| {
            let event = Recorded {
                event_id: "e".to_owned(),
                at: at(millis),
                doubt: Some(doubt),
            };
            is_settled(&event, at(5))
        };
        let user_id = Uuid::from_u128(4);
        assert!(settled(4, Doubt::User(user_id)));
        assert!(!settled(5, Doubt::User(user_id)));
        assert!(!settled(5, Doubt::Imported(user_id)));
        let reason = "GROUP a".to_owned();
        assert!(settled(5, Doubt::Everybody { reason }));
    }
}
