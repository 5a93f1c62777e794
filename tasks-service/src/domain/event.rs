//! What happened to a task. Private to the service: `messaging::publish` decides what of it the world hears.

use chrono::{DateTime, Utc};

use super::{
    assignment::Cause,
    id::{TaskId, UserId},
    person::Actor,
    text::Field,
};

/// One step in the life of a task (T6): who did what, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub task: TaskId,
    /// Strictly later than every earlier event of the same task (T7).
    pub at: DateTime<Utc>,
    pub actor: Actor,
    pub fact: Fact,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    Filed,
    /// Texts were changed; which ones.
    Edited {
        fields: Vec<Field>,
    },
    /// Somebody got the task, perhaps from somebody else.
    Assigned {
        performer: UserId,
        previous: Option<UserId>,
        reason: Reason,
    },
    /// The performer was lost and nobody could take over: the task waits.
    Released {
        previous: UserId,
    },
    Completed {
        performer: UserId,
    },
    Cancelled,
}

/// Why a performer got a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Picked at random among this many.
    Drawn { cause: Cause, candidates: usize },
    /// Picked by the actor of the event.
    Chosen,
}
