//! What other services can see of a user, and which message a difference calls for.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// What other services can see of a user; two equal states need no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserState {
    /// The login name.
    pub username: String,
    /// The mail address, when there is one.
    pub email: Option<String>,
    /// The first name, empty when unknown.
    pub first_name: String,
    /// The last name, empty when unknown.
    pub last_name: String,
    /// Effective realm roles, sorted.
    pub roles: Vec<String>,
    /// Whether the user may log in.
    pub is_enabled: bool,
}

/// What the bridge knows of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownUser {
    /// The state last published; none when the deletion was.
    pub state: Option<UserState>,
    /// The timestamp of the newest message about the user.
    pub changed_at: DateTime<Utc>,
}

/// What Keycloak says of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The user.
    pub user_id: Uuid,
    /// The state; none when Keycloak has no such user.
    pub state: Option<UserState>,
    /// When it came about: the time of the event that led here, or of a comparison that found it.
    pub at: DateTime<Utc>,
}

/// The message that a difference calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// The user is new, or back after a deletion.
    Created,
    /// Something that others can see is different.
    Changed,
    /// The user is gone.
    Deleted,
}

/// A difference between what is known and what was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What to publish.
    pub kind: ChangeKind,
    /// The message's timestamp.
    pub at: DateTime<Utc>,
}

/// The difference that `observed` makes; none when everybody who listens knows it already.
///
/// A user that came and went unseen counts as deleted: a service may have met the user at a login.
/// Timestamps of one user strictly increase (DESIGN.md T7), although several events may share a
/// millisecond and the clocks of Keycloak and the bridge may differ: receivers ignore what is older
/// than the last they applied.
#[must_use]
pub fn difference(known: Option<&KnownUser>, observed: &Observation) -> Option<Change> {
    let kind = match (known.map(|user| user.state.as_ref()), &observed.state) {
        (None | Some(None), Some(_)) => ChangeKind::Created,
        (Some(Some(before)), Some(now)) if before != now => ChangeKind::Changed,
        (Some(Some(_)), Some(_)) | (Some(None), None) => return None,
        (None | Some(Some(_)), None) => ChangeKind::Deleted,
    };
    let earliest = known.map(|user| user.changed_at + TimeDelta::microseconds(1));
    let at = earliest.map_or(observed.at, |earliest| earliest.max(observed.at));
    Some(Change { kind, at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    fn peter() -> UserState {
        UserState {
            username: "peter".to_owned(),
            email: Some("peter@example.org".to_owned()),
            first_name: "Peter".to_owned(),
            last_name: "Novak".to_owned(),
            roles: vec!["employee".to_owned()],
            is_enabled: true,
        }
    }

    fn known(state: Option<UserState>, changed_at: DateTime<Utc>) -> KnownUser {
        KnownUser { state, changed_at }
    }

    fn observed(state: Option<UserState>, at: DateTime<Utc>) -> Observation {
        Observation {
            user_id: Uuid::from_u128(4),
            state,
            at,
        }
    }

    fn kind(known: Option<&KnownUser>, state: Option<UserState>) -> Option<ChangeKind> {
        difference(known, &observed(state, at(9))).map(|change| change.kind)
    }

    #[test]
    fn each_difference_calls_for_its_message_and_none_for_silence() {
        let alive = known(Some(peter()), at(1));
        let gone = known(None, at(1));
        assert_eq!(kind(None, Some(peter())), Some(ChangeKind::Created));
        assert_eq!(kind(Some(&gone), Some(peter())), Some(ChangeKind::Created));
        assert_eq!(kind(Some(&alive), Some(peter())), None);
        assert_eq!(kind(Some(&alive), None), Some(ChangeKind::Deleted));
        assert_eq!(kind(Some(&gone), None), None);
        assert_eq!(kind(None, None), Some(ChangeKind::Deleted));
    }

    #[test]
    fn every_field_that_others_see_makes_a_difference() {
        let alive = known(Some(peter()), at(1));
        let alterations: [fn(&mut UserState); 6] = [
            |user| user.username = "pjotr".to_owned(),
            |user| user.email = None,
            |user| user.first_name = "Pjotr".to_owned(),
            |user| user.last_name = "Nowak".to_owned(),
            |user| user.roles.push("manager".to_owned()),
            |user| user.is_enabled = false,
        ];
        for alter in alterations {
            let mut now = peter();
            alter(&mut now);
            assert_eq!(kind(Some(&alive), Some(now)), Some(ChangeKind::Changed));
        }
    }

    #[test]
    fn a_message_bears_the_time_of_the_event() {
        let alive = known(Some(peter()), at(1));
        let change = difference(Some(&alive), &observed(None, at(5))).unwrap();
        assert_eq!(change.at, at(5));
    }

    #[test]
    fn two_changes_in_one_millisecond_get_growing_timestamps() {
        let alive = known(Some(peter()), at(5));
        let change = difference(Some(&alive), &observed(None, at(5))).unwrap();
        assert_eq!(change.at, at(5) + TimeDelta::microseconds(1));
    }

    #[test]
    fn an_event_behind_an_earlier_comparison_is_not_dated_back() {
        let compared_at = at(1_000);
        let alive = known(Some(peter()), compared_at);
        let change = difference(Some(&alive), &observed(None, at(400))).unwrap();
        assert_eq!(change.at, compared_at + TimeDelta::microseconds(1));
    }
}
