//! What an event of a task does to the money: which transfer it makes, and when a repeat contradicts it (DESIGN.md M3 to M5).

use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;
use uuid::Uuid;

use crate::domain::{account::Account, money::Amount, pricing::Price};

#[cfg(test)]
mod tests;

/// How far the clock of the task board may be ahead of ours.
pub const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// Something that happened to a task, as told by the task board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskFact {
    /// The task.
    pub task: Uuid,
    /// When it happened there; the transfer it makes carries this time.
    pub at: DateTime<Utc>,
    /// What happened.
    pub event: TaskEvent,
}

/// The kinds of [`TaskFact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEvent {
    /// It was handed to a performer, who pays the fee.
    Assigned {
        /// Who got it.
        performer: Uuid,
    },
    /// It was done; its last performer earns the reward.
    Completed {
        /// Who had it last.
        performer: Uuid,
    },
    /// Its title or text changed; also said of a new task.
    Changed,
    /// It was called off; fees stay charged.
    Cancelled,
}

/// Why a fact is not booked but kept for a person to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// One of the two clocks is wrong, and nobody but a person can tell which.
    #[error("dated {at}, more than five minutes ahead of this service's clock")]
    InTheFuture {
        /// The date it carries.
        at: DateTime<Utc>,
    },
    /// No exchange is that old: the sender's clock was never set, or the date is garbage.
    #[error("dated {at}, before 1970")]
    BeforeTime {
        /// The date it carries.
        at: DateTime<Utc>,
    },
    /// A task is completed once; this completion names another performer or another time.
    #[error("task {task} is already completed by {performer} at {at}")]
    SecondCompletion {
        /// The task.
        task: Uuid,
        /// Who was rewarded.
        performer: Uuid,
        /// When it was completed.
        at: DateTime<Utc>,
    },
}

/// What kind of movement a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferKind {
    /// A performer pays for an assignment. Unique by task, performer and time.
    Fee,
    /// A performer is paid for a completion. Unique by task.
    Reward,
}

/// A transfer that a fact asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// The kind of movement.
    pub kind: TransferKind,
    /// The task it is about.
    pub task: Uuid,
    /// Whose account it moves.
    pub employee: Uuid,
    /// How much it moves.
    pub amount: Amount,
    /// When the fact happened.
    pub at: DateTime<Utc>,
}

/// The completion that a task's reward was booked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// Who was rewarded.
    pub performer: Uuid,
    /// When the task was completed.
    pub at: DateTime<Utc>,
}

impl TaskFact {
    /// Refuses a fact whose date cannot be true as seen from `now`. There is no other limit of age:
    /// what is late is booked (DESIGN.md M9).
    ///
    /// # Errors
    /// [`Refusal::InTheFuture`], [`Refusal::BeforeTime`].
    pub fn admit(&self, now: DateTime<Utc>) -> Result<(), Refusal> {
        if self.at.signed_duration_since(now) > CLOCK_TOLERANCE {
            return Err(Refusal::InTheFuture { at: self.at });
        }
        if self.at < DateTime::UNIX_EPOCH {
            return Err(Refusal::BeforeTime { at: self.at });
        }
        Ok(())
    }

    /// The transfer this fact asks for at the task's price, if it moves money at all.
    pub const fn posting(&self, price: Price) -> Option<Posting> {
        let (kind, employee, amount) = match self.event {
            TaskEvent::Assigned { performer } => (TransferKind::Fee, performer, price.fee),
            TaskEvent::Completed { performer } => (TransferKind::Reward, performer, price.reward),
            TaskEvent::Changed | TaskEvent::Cancelled => return None,
        };
        Some(Posting {
            kind,
            task: self.task,
            employee,
            amount,
            at: self.at,
        })
    }
}

impl Posting {
    /// The account that gives.
    pub const fn debit(&self) -> Account {
        match self.kind {
            TransferKind::Fee => Account::Employee(self.employee),
            TransferKind::Reward => Account::Company,
        }
    }

    /// The account that receives.
    pub const fn credit(&self) -> Account {
        match self.kind {
            TransferKind::Fee => Account::Company,
            TransferKind::Reward => Account::Employee(self.employee),
        }
    }

    /// Tells a harmless repeat of a booked completion from one that contradicts it.
    ///
    /// # Errors
    /// [`Refusal::SecondCompletion`] when this reward is for another performer or another time.
    pub fn repeats(&self, booked: Completion) -> Result<(), Refusal> {
        if self.employee == booked.performer && self.at == booked.at {
            return Ok(());
        }
        Err(Refusal::SecondCompletion {
            task: self.task,
            performer: booked.performer,
            at: booked.at,
        })
    }
}
