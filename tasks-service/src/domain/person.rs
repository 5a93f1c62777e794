//! Who acts, and with what authority.

use super::id::UserId;

/// What a person may do on the board beyond what everybody may (T4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Files tasks, completes their own, edits and cancels what they filed.
    Member,
    /// Managers and administrators: may complete, assign, edit and cancel any task.
    Lead,
}

/// A person who gives a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub id: UserId,
    pub authority: Authority,
}

impl Caller {
    pub(crate) fn leads(self) -> bool {
        self.authority == Authority::Lead
    }

    pub(crate) fn is(self, user: UserId) -> bool {
        self.id == user
    }
}

/// Who caused an event, as the history keeps it (T6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    Person(UserId),
    /// The exchange itself: a draw nobody asked for.
    System,
}
