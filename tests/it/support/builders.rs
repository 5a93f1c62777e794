//! Messages as other services send them, with fresh ids unless a test says otherwise.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    finance::TaskPriced,
    identity::{Role, User},
    tasks::{TaskAssigned, TaskChanged, TaskCompleted},
};
use platform::sources::Sources;
use uuid::Uuid;

static SOURCES: LazyLock<Sources> = LazyLock::new(Sources::system);

/// Noon of a working day in Berlin, Thursday 15 January 2026.
pub(crate) fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_768_474_800, 0).expect("a fixed instant is representable")
}

/// The present instant, where a real server's clock counts.
pub(crate) fn now() -> DateTime<Utc> {
    SOURCES.now()
}

/// What a clock that stands still shows while the realm's goes on: two minutes ahead, within the five of every
/// token, so that none that is issued meanwhile comes from the future.
pub(crate) fn in_realm() -> DateTime<Utc> {
    now() + TimeDelta::minutes(2)
}

/// A fresh id.
pub(crate) fn id() -> Uuid {
    SOURCES.new_id()
}

/// `task_uuid` was given to `assigned_to`, `seconds` after [`noon`].
pub(crate) fn assigned(task_uuid: Uuid, assigned_to: Uuid, seconds: i64) -> TaskAssigned {
    TaskAssigned {
        task_uuid,
        assigned_to,
        timestamp: noon() + TimeDelta::seconds(seconds),
    }
}

/// `assigned_to` completed `task_uuid`, `seconds` after [`noon`].
pub(crate) fn completed(task_uuid: Uuid, assigned_to: Uuid, seconds: i64) -> TaskCompleted {
    TaskCompleted {
        task_uuid,
        assigned_to,
        timestamp: noon() + TimeDelta::seconds(seconds),
    }
}

/// The content of some task changed at [`noon`].
pub(crate) fn task_changed() -> TaskChanged {
    TaskChanged {
        task_uuid: id(),
        timestamp: noon(),
    }
}

/// Finance drew a price of `task_uuid`, `seconds` after [`noon`].
pub(crate) fn priced(task_uuid: Uuid, seconds: i64) -> TaskPriced {
    TaskPriced {
        task_uuid,
        fee_cents: 1_234,
        reward_cents: 3_456,
        currency: "USD".to_owned(),
        timestamp: noon() + TimeDelta::seconds(seconds),
    }
}

/// Somebody with these roles, as the auth bridge knows them since `changed_at`.
pub(crate) fn user(user_id: Uuid, roles: &[Role], changed_at: DateTime<Utc>) -> User {
    User {
        user_id,
        username: user_id.to_string(),
        email: None,
        first_name: "Test".to_owned(),
        last_name: user_id.to_string(),
        roles: roles.iter().map(ToString::to_string).collect(),
        enabled: true,
        changed_at,
        as_of: changed_at,
    }
}
