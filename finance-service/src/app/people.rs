//! What Finance does when people change: whoever loses a right is logged out (DESIGN.md section 9).

use platform::{
    auth::session,
    people::{PeopleReaction, PersonChange},
};
use sea_orm::DatabaseTransaction;

use crate::store::DatabaseResult;

/// Ends the sessions of people who were deleted, disabled or lost a role.
#[derive(Debug, Clone, Copy)]
pub struct EndSessions;

impl PeopleReaction for EndSessions {
    async fn people_changed(
        &self,
        txn: &DatabaseTransaction,
        changes: &[PersonChange],
    ) -> DatabaseResult {
        for change in changes.iter().filter(|change| loses_a_right(change)) {
            let ended = session::end_all(txn, change.after.user_id).await?;
            tracing::info!(user.id = %change.after.user_id, ended, "sessions were ended");
        }
        Ok(())
    }
}

fn loses_a_right(change: &PersonChange) -> bool {
    let held = change.before.iter().flat_map(|before| &before.roles);
    let mut lost = held.filter(|role| !change.after.roles.contains(role));
    !change.after.is_active() || lost.next().is_some()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use platform::people::Person;
    use uuid::Uuid;

    use super::*;

    fn person(roles: &[&str]) -> Person {
        Person {
            user_id: Uuid::from_u128(4),
            username: "peter".to_owned(),
            email: None,
            first_name: String::new(),
            last_name: String::new(),
            roles: roles.iter().map(ToString::to_string).collect(),
            is_enabled: true,
            is_deleted: false,
            guard: DateTime::UNIX_EPOCH,
            fetched_at: DateTime::UNIX_EPOCH,
        }
    }

    fn loses(before: Person, after: Person) -> bool {
        loses_a_right(&PersonChange {
            before: Some(before),
            after,
        })
    }

    #[test]
    fn losing_a_role_or_the_account_ends_sessions_and_gaining_does_not() {
        let (plain, both) = (person(&["employee"]), person(&["employee", "manager"]));
        assert!(loses(both.clone(), plain.clone()));
        assert!(!loses(plain.clone(), both));
        assert!(loses(
            plain.clone(),
            Person {
                is_enabled: false,
                ..plain.clone()
            }
        ));
        assert!(loses(
            plain.clone(),
            Person {
                is_deleted: true,
                ..plain.clone()
            }
        ));
        assert!(!loses_a_right(&PersonChange {
            before: None,
            after: plain
        }));
    }
}
