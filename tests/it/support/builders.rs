//! Messages as other services send them, with fresh ids unless a test says otherwise.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::tasks::{TaskAssigned, TaskChanged, TaskCompleted};
use uuid::Uuid;

/// A working day's noon in Berlin, cut to microseconds like every timestamp on the wire.
pub(crate) fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_086_000, 0).expect("a fixed instant is representable")
}

/// A fresh id.
pub(crate) fn id() -> Uuid {
    Uuid::now_v7()
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
