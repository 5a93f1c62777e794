//! The local copy of the users of the auth bridge (DESIGN.md section 6).
//!
//! Events only say that a user changed: the handler notes that a fetch is owed, the fetch job asks
//! the bridge. A deletion needs no fetch; it is final and forbids every fetch that is under way.

mod cache;
mod compare;
mod fetcher;
mod fold;
mod handler;

pub use cache::{find, find_many};
pub use compare::UserCache;
pub use fetcher::UserFetcher;
pub use handler::PeopleHandler;

use std::{collections::BTreeSet, future::Future};

use chrono::{DateTime, Utc};
use contracts::identity::Role;
use sea_orm::{DatabaseTransaction, DbErr, FromQueryResult};
use uuid::Uuid;

/// The kind of a note in `fetch_pending` that stands for a user.
pub const KIND: &str = "user";

/// A user as this service last saw it.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Person {
    /// Keycloak's id.
    pub user_id: Uuid,
    /// The login name.
    pub username: String,
    /// The mail address, when there is one.
    pub email: Option<String>,
    /// The first name, empty when unknown.
    pub first_name: String,
    /// The last name, empty when unknown.
    pub last_name: String,
    /// The names of all effective realm roles.
    pub roles: Vec<String>,
    /// Whether the user may log in.
    pub is_enabled: bool,
    /// Whether the user is gone; final.
    pub is_deleted: bool,
    /// The timestamp of the last event that was applied.
    pub guard: DateTime<Utc>,
    /// When the bridge was last asked.
    pub fetched_at: DateTime<Utc>,
}

impl Person {
    /// Neither deleted nor disabled.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.is_enabled && !self.is_deleted
    }

    /// Whether the user holds a role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.iter().any(|name| name == role.name())
    }

    /// First and last name, or the login name when neither is known.
    #[must_use]
    pub fn display_name(&self) -> String {
        let names = [self.first_name.trim(), self.last_name.trim()];
        let full: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        if full.is_empty() {
            self.username.clone()
        } else {
            full.join(" ")
        }
    }

    /// Whether people and rules would notice the difference; the order of roles does not count.
    fn differs_from(&self, other: &Self) -> bool {
        let roles = |person: &Self| person.roles.iter().cloned().collect::<BTreeSet<String>>();
        self.username != other.username
            || self.email != other.email
            || self.first_name != other.first_name
            || self.last_name != other.last_name
            || self.is_enabled != other.is_enabled
            || self.is_deleted != other.is_deleted
            || roles(self) != roles(other)
    }
}

/// A user that is different now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonChange {
    /// As known before; absent for a user that was not known.
    pub before: Option<Person>,
    /// As known now.
    pub after: Person,
}

impl PersonChange {
    /// Whether the person may do less than before: was deleted or disabled, or lost a role.
    #[must_use]
    pub fn loses_a_right(&self) -> bool {
        let mut held = self.before.iter().flat_map(|before| &before.roles);
        !self.after.is_active() || held.any(|role| !self.after.roles.contains(role))
    }
}

/// What a service does when users change, in the transaction that changes its copy.
pub trait PeopleReaction: Send + Sync + 'static {
    /// Reacts to visible changes that a fetch or a comparison found, at most one per user.
    ///
    /// # Errors
    /// Those of the database; the change is rolled back and comes again.
    fn people_changed(
        &self,
        txn: &DatabaseTransaction,
        changes: &[PersonChange],
    ) -> impl Future<Output = Result<(), DbErr>> + Send;

    /// Reacts to deletions that messages tell of, also of users whom the copy never knew: they may have
    /// logged in before.
    ///
    /// # Errors
    /// Those of the database; the deletion is rolled back and comes again.
    fn people_deleted(
        &self,
        txn: &DatabaseTransaction,
        user_ids: &[Uuid],
    ) -> impl Future<Output = Result<(), DbErr>> + Send;

    /// Called after the commit: the place to wake the relay.
    fn committed(&self) {}
}

/// No reaction: for a service that only reads the copy.
impl PeopleReaction for () {
    async fn people_changed(
        &self,
        _: &DatabaseTransaction,
        _: &[PersonChange],
    ) -> Result<(), DbErr> {
        Ok(())
    }

    async fn people_deleted(&self, _: &DatabaseTransaction, _: &[Uuid]) -> Result<(), DbErr> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) fn sample(id: u128) -> Person {
    let at = DateTime::UNIX_EPOCH;
    Person {
        user_id: Uuid::from_u128(id),
        username: format!("user{id}"),
        email: None,
        first_name: "Olga".to_owned(),
        last_name: "Petrova".to_owned(),
        roles: vec!["employee".to_owned()],
        is_enabled: true,
        is_deleted: false,
        guard: at,
        fetched_at: at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_without_names_is_shown_by_the_login_name() {
        let mut person = sample(1);
        assert_eq!(person.display_name(), "Olga Petrova");
        person.last_name.clear();
        assert_eq!(person.display_name(), "Olga");
        person.first_name = " ".to_owned();
        assert_eq!(person.display_name(), "user1");
    }

    #[test]
    fn losing_a_role_or_the_account_loses_a_right_and_gaining_one_does_not() {
        let plain = sample(1);
        let mut both = plain.clone();
        both.roles.push("manager".to_owned());
        let mut disabled = plain.clone();
        disabled.is_enabled = false;
        let mut deleted = plain.clone();
        deleted.is_deleted = true;
        let cases = [
            (Some(&both), &plain, true),
            (Some(&plain), &both, false),
            (Some(&plain), &disabled, true),
            (Some(&plain), &deleted, true),
            (None, &plain, false),
        ];
        for (before, after, expected) in cases {
            let change = PersonChange {
                before: before.cloned(),
                after: after.clone(),
            };
            assert_eq!(change.loses_a_right(), expected, "{change:?}");
        }
    }

    #[test]
    fn a_newer_guard_or_another_order_of_roles_is_no_visible_change() {
        let mut before = sample(1);
        before.roles = vec!["employee".to_owned(), "manager".to_owned()];
        let mut after = before.clone();
        after.guard = DateTime::from_timestamp(9, 0).unwrap();
        after.roles.reverse();
        assert!(!after.differs_from(&before));
        after.is_enabled = false;
        assert!(after.differs_from(&before));
    }
}
