//! How the cache of users is compared with the auth bridge.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::identity::{User, UsersPage};
use sea_orm::{DatabaseConnection, DbErr};
use uuid::Uuid;

use super::{KIND, Person, cache};
use crate::{
    fetch::{FetchError, Owed},
    peer::PeerClient,
    reconciliation::{Cache, Page, page_path},
};

/// The table `user_cache` beside the users of the auth bridge.
#[derive(Debug)]
pub struct UserCache {
    bridge: PeerClient,
}

impl UserCache {
    /// `bridge` is the REST interface of the auth bridge.
    #[must_use]
    pub const fn new(bridge: PeerClient) -> Self {
        Self { bridge }
    }
}

impl Cache for UserCache {
    const KIND: &'static str = KIND;
    type Record = User;

    fn id(record: &User) -> Uuid {
        record.user_id
    }

    async fn page(&self, after: Option<Uuid>) -> Result<Page<User>, FetchError> {
        let UsersPage { users, next } = self.bridge.get_json(&page_path("/users", after)).await?;
        Ok(Page {
            records: users,
            next,
        })
    }

    async fn differences(
        &self,
        db: &DatabaseConnection,
        records: &[User],
    ) -> Result<Vec<Owed>, DbErr> {
        let ids = records.iter().map(Self::id).collect();
        let known = cache::by_id(cache::find_many(db, ids).await?);
        let owed = |user: &User| owed_for(user, known.get(&user.user_id));
        Ok(records.iter().filter_map(owed).collect())
    }

    async fn living(&self, db: &DatabaseConnection) -> Result<HashMap<Uuid, DateTime<Utc>>, DbErr> {
        cache::living(db).await
    }
}

/// The fetch that a difference calls for; it carries the newest event anybody knows of.
fn owed_for(user: &User, known: Option<&Person>) -> Option<Owed> {
    let event_ts = match known {
        None => user.changed_at,
        // Deletion is final, whatever the source says.
        Some(person) if person.is_deleted || is_copy_of(person, user) => return None,
        Some(person) => person.guard.max(user.changed_at),
    };
    Some(Owed {
        id: user.user_id,
        event_ts,
    })
}

fn is_copy_of(person: &Person, user: &User) -> bool {
    let as_stored = Person {
        user_id: user.user_id,
        username: user.username.clone(),
        email: user.email.clone().filter(|email| !email.is_empty()),
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        roles: user.roles.clone(),
        is_enabled: user.enabled,
        is_deleted: false,
        guard: person.guard,
        fetched_at: person.fetched_at,
    };
    !person.differs_from(&as_stored)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::people::sample;

    fn user(id: u128, changed: i64) -> User {
        let person = sample(id);
        let at = DateTime::from_timestamp(changed, 0).unwrap();
        User {
            user_id: person.user_id,
            username: person.username,
            email: person.email,
            first_name: person.first_name,
            last_name: person.last_name,
            roles: person.roles,
            enabled: true,
            changed_at: at,
            as_of: at,
        }
    }

    #[test]
    fn only_unknown_and_different_users_are_fetched_with_the_newest_known_event() {
        assert_eq!(owed_for(&user(1, 5), Some(&sample(1))), None);
        let unknown = owed_for(&user(1, 5), None).unwrap();
        assert_eq!(unknown.event_ts.timestamp(), 5);
        let mut renamed = sample(1);
        renamed.last_name = "Ivanova".to_owned();
        renamed.guard = DateTime::from_timestamp(9, 0).unwrap();
        let different = owed_for(&user(1, 5), Some(&renamed)).unwrap();
        assert_eq!(different.event_ts.timestamp(), 9);
    }

    #[test]
    fn a_deleted_user_stays_deleted_whatever_the_source_says() {
        let mut gone = sample(1);
        gone.is_deleted = true;
        assert_eq!(owed_for(&user(1, 5), Some(&gone)), None);
    }
}
