//! Where a task is in its life.

use chrono::{DateTime, Utc};

use crate::domain::id::UserId;

/// A state; `Completed` and `Cancelled` are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody is eligible; it is handed out as soon as somebody is.
    Waiting,
    /// With a performer.
    Open(Assignment),
    /// Done; the last performer earns the reward whoever marked it.
    Completed {
        assignment: Assignment,
        completed_at: DateTime<Utc>,
    },
    /// Called off, with whoever had it last.
    Cancelled {
        last: Option<Assignment>,
        cancelled_at: DateTime<Utc>,
    },
}

/// Who got a task when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    pub performer: UserId,
    pub assigned_at: DateTime<Utc>,
}

impl State {
    /// Who has the task or had it last, and since when.
    #[must_use]
    pub fn assignment(&self) -> Option<Assignment> {
        match *self {
            Self::Waiting => None,
            Self::Open(assignment) | Self::Completed { assignment, .. } => Some(assignment),
            Self::Cancelled { last, .. } => last,
        }
    }

    /// When the performer got the task.
    #[must_use]
    pub fn assigned_at(&self) -> Option<DateTime<Utc>> {
        self.assignment().map(|assignment| assignment.assigned_at)
    }

    /// When the task was completed or cancelled.
    #[must_use]
    pub fn closed_at(&self) -> Option<DateTime<Utc>> {
        match *self {
            Self::Waiting | Self::Open(_) => None,
            Self::Completed { completed_at, .. } => Some(completed_at),
            Self::Cancelled { cancelled_at, .. } => Some(cancelled_at),
        }
    }
}
