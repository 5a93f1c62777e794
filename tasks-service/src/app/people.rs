//! People: whom a task can be handed to by choice, and what happens when people change.

use std::collections::HashMap;

use platform::{
    auth::session,
    people::{PeopleReaction, PersonChange},
    signal::Signal,
};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::{
    app::App,
    store::{self, DatabaseResult, StoreError, people::Named},
};

/// The most people a page offers to choose from.
pub const MAX_CHOICES: u32 = 500;

/// People who may be handed a task, by name.
pub async fn choices(app: &App) -> Result<Vec<Named>, StoreError> {
    store::people::eligible(&app.db, &app.eligibility, MAX_CHOICES).await
}

/// How people are called, as far as the local copy knows.
pub async fn names(
    app: &App,
    users: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Named>, StoreError> {
    store::people::names(&app.db, users).await
}

/// What the board does when people change.
///
/// Whoever loses a right is logged out (DESIGN.md section 9); and the job of redraws is woken, since
/// performers may be lost or may be there for tasks that wait.
#[derive(Debug, Clone)]
pub struct PeopleWatch {
    people_changed: Signal,
}

impl PeopleWatch {
    /// Wakes `people_changed` after each change.
    #[must_use]
    pub fn new(people_changed: Signal) -> Self {
        Self { people_changed }
    }
}

impl PeopleReaction for PeopleWatch {
    async fn people_changed(
        &self,
        txn: &DatabaseTransaction,
        changes: &[PersonChange],
    ) -> DatabaseResult {
        for change in changes.iter().filter(|change| loses_a_right(change)) {
            session::end_all(txn, change.after.user_id).await?;
        }
        Ok(())
    }

    fn committed(&self) {
        self.people_changed.wake();
    }
}

fn loses_a_right(change: &PersonChange) -> bool {
    let mut held = change.before.iter().flat_map(|before| &before.roles);
    !change.after.is_active() || held.any(|role| !change.after.roles.contains(role))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use platform::people::Person;

    use super::*;

    fn person(roles: &[&str], is_enabled: bool) -> Person {
        Person {
            user_id: Uuid::nil(),
            username: "peter".to_owned(),
            email: None,
            first_name: String::new(),
            last_name: String::new(),
            roles: roles.iter().map(ToString::to_string).collect(),
            is_enabled,
            is_deleted: false,
            guard: DateTime::UNIX_EPOCH,
            fetched_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn losing_a_role_or_the_account_loses_a_right_and_gaining_one_does_not() {
        let plain = person(&["employee"], true);
        let both = person(&["employee", "manager"], true);
        let cases = [
            (Some(both.clone()), plain.clone(), true),
            (Some(plain.clone()), both, false),
            (Some(plain.clone()), person(&["employee"], false), true),
            (None, plain, false),
        ];
        for (before, after, expected) in cases {
            let change = PersonChange { before, after };
            assert_eq!(loses_a_right(&change), expected, "{change:?}");
        }
    }
}
