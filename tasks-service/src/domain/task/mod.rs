//! The task: its states, who may do what to it, and what each step leaves behind (T1, T4 to T7).

mod state;
#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};

pub use self::state::{Assignment, State};
use super::{
    assignment::{Cause, Draw, Pick},
    event::{Event, Fact, Reason},
    id::{TaskId, UserId},
    person::{Actor, Caller},
    text::Field,
};

/// A task with everything its rules need: neither its number nor its texts are among that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    pub id: TaskId,
    pub author: UserId,
    pub state: State,
    pub created_at: DateTime<Utc>,
    /// The time of its newest event; the next one is later (T7).
    pub last_event_at: DateTime<Utc>,
}

/// What a command that may be repeated did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The task changed: save it together with this event.
    Applied(Event),
    /// The task is already so; nothing to save, nothing to tell.
    AlreadyApplied,
}

/// Why a command is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The caller has no right to it.
    #[error("the caller may not do this to the task")]
    NotAllowed,
    /// The task is done.
    #[error("the task is completed, which is final")]
    Completed,
    /// The task was called off.
    #[error("the task is cancelled, which is final")]
    Cancelled,
    /// The task waits: there is nobody who could have done it.
    #[error("the task has no performer yet")]
    NoPerformer,
    /// There is nobody to draw from.
    #[error("nobody is eligible")]
    NobodyEligible,
    /// Something happened to the task that the caller did not know of.
    #[error("the task changed meanwhile")]
    ChangedMeanwhile,
}

/// What somebody may do with a task now (T4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    pub complete: bool,
    pub assign: bool,
    pub edit: bool,
    pub cancel: bool,
}

impl Task {
    /// Files a new task, with its first performer or waiting for one. The two events differ in time.
    ///
    /// Only managers and administrators may choose the performer (T4).
    pub fn file(
        id: TaskId,
        by: Caller,
        pick: Pick,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<Event>), Refusal> {
        let mut task = Self {
            id,
            author: by.id,
            state: State::Waiting,
            created_at: now,
            last_event_at: now,
        };
        let filed = Event {
            task: id,
            at: now,
            actor: by.into(),
            fact: Fact::Filed,
        };
        let assigned = match pick {
            Pick::Drawn(None) => None,
            Pick::Drawn(Some(draw)) => Some(task.hand_out(
                draw.performer,
                draw.because(Cause::Filed),
                Actor::System,
                now,
            )),
            Pick::Chosen(_) if !by.leads() => return Err(Refusal::NotAllowed),
            Pick::Chosen(performer) => {
                Some(task.hand_out(performer, Reason::Chosen, by.into(), now))
            }
        };
        Ok((
            task,
            [Some(filed), assigned].into_iter().flatten().collect(),
        ))
    }

    /// Marks the task done: by its performer, a manager or an administrator (T4). Twice is the same as once.
    pub fn complete(&mut self, by: Caller, now: DateTime<Utc>) -> Result<Outcome, Refusal> {
        let current = self.performer();
        if !by.leads() && !current.is_some_and(|performer| by.is(performer)) {
            return Err(Refusal::NotAllowed);
        }
        match self.state {
            State::Open(assignment) => {
                let at = self.next_instant(now);
                self.state = State::Completed {
                    assignment,
                    completed_at: at,
                };
                let performer = assignment.performer;
                Ok(Outcome::Applied(self.record(
                    at,
                    by.into(),
                    Fact::Completed { performer },
                )))
            }
            State::Completed { .. } => Ok(Outcome::AlreadyApplied),
            State::Cancelled { .. } => Err(Refusal::Cancelled),
            State::Waiting => Err(Refusal::NoPerformer),
        }
    }

    /// Calls the task off: by its author, a manager or an administrator (T4). Twice is the same as once.
    pub fn cancel(&mut self, by: Caller, now: DateTime<Utc>) -> Result<Outcome, Refusal> {
        self.allow_author_or_lead(by)?;
        let last = match self.state {
            State::Waiting => None,
            State::Open(assignment) => Some(assignment),
            State::Cancelled { .. } => return Ok(Outcome::AlreadyApplied),
            State::Completed { .. } => return Err(Refusal::Completed),
        };
        let at = self.next_instant(now);
        self.state = State::Cancelled {
            last,
            cancelled_at: at,
        };
        Ok(Outcome::Applied(self.record(
            at,
            by.into(),
            Fact::Cancelled,
        )))
    }

    /// Notes that these texts of the task change: by its author, a manager or an administrator (T4).
    ///
    /// `fields` comes from [`Content::changes_to`](super::text::Content::changes_to); none is no change.
    pub fn edit(
        &mut self,
        by: Caller,
        fields: Vec<Field>,
        now: DateTime<Utc>,
    ) -> Result<Outcome, Refusal> {
        self.allow_author_or_lead(by)?;
        self.ensure_unfinished()?;
        if fields.is_empty() {
            return Ok(Outcome::AlreadyApplied);
        }
        let at = self.next_instant(now);
        Ok(Outcome::Applied(self.record(
            at,
            by.into(),
            Fact::Edited { fields },
        )))
    }

    /// Hands the task to a chosen performer, whom the caller of this has checked to be eligible (T4).
    ///
    /// Choosing the one who has it changes nothing, so that a form sent twice costs one fee.
    pub fn assign(
        &mut self,
        by: Caller,
        performer: UserId,
        now: DateTime<Utc>,
    ) -> Result<Outcome, Refusal> {
        allow_lead(by)?;
        self.ensure_unfinished()?;
        if self.performer() == Some(performer) {
            return Ok(Outcome::AlreadyApplied);
        }
        Ok(Outcome::Applied(self.hand_out(
            performer,
            Reason::Chosen,
            by.into(),
            now,
        )))
    }

    /// Hands the task to whom the exchange drew because a manager or administrator asked for it.
    ///
    /// `seen` is the time of the newest event that the caller knew of: a form sent twice costs one fee.
    pub fn redraw_for(
        &mut self,
        by: Caller,
        draw: Option<Draw>,
        seen: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Outcome, Refusal> {
        allow_lead(by)?;
        self.ensure_unfinished()?;
        if seen != self.last_event_at {
            return Err(Refusal::ChangedMeanwhile);
        }
        let draw = draw.ok_or(Refusal::NobodyEligible)?;
        let reason = draw.because(Cause::Asked);
        Ok(Outcome::Applied(self.hand_out(
            draw.performer,
            reason,
            by.into(),
            now,
        )))
    }

    /// Hands the task to whom the exchange drew by itself; without anybody to draw from it waits (T2, T5).
    ///
    /// The same person may be drawn again, which is a new assignment.
    pub fn redraw(
        &mut self,
        draw: Option<Draw>,
        cause: Cause,
        now: DateTime<Utc>,
    ) -> Result<Outcome, Refusal> {
        self.ensure_unfinished()?;
        match (draw, self.performer()) {
            (Some(draw), _) => {
                let reason = draw.because(cause);
                Ok(Outcome::Applied(self.hand_out(
                    draw.performer,
                    reason,
                    Actor::System,
                    now,
                )))
            }
            (None, Some(previous)) => {
                let at = self.next_instant(now);
                self.state = State::Waiting;
                let fact = Fact::Released { previous };
                Ok(Outcome::Applied(self.record(at, Actor::System, fact)))
            }
            (None, None) => Ok(Outcome::AlreadyApplied),
        }
    }

    /// What the caller may do, for showing the buttons that work and no others.
    #[must_use]
    pub fn rights(&self, by: Caller) -> Rights {
        let is_unfinished = self.ensure_unfinished().is_ok();
        let may_change = is_unfinished && self.allow_author_or_lead(by).is_ok();
        let mut trial = *self;
        let completion = trial.complete(by, self.last_event_at);
        Rights {
            complete: matches!(completion, Ok(Outcome::Applied(_))),
            assign: is_unfinished && allow_lead(by).is_ok(),
            edit: may_change,
            cancel: may_change,
        }
    }

    /// Who has the task, or had it last.
    #[must_use]
    pub fn performer(&self) -> Option<UserId> {
        self.state
            .assignment()
            .map(|assignment| assignment.performer)
    }

    fn hand_out(
        &mut self,
        performer: UserId,
        reason: Reason,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Event {
        let at = self.next_instant(now);
        let previous = self.performer();
        self.state = State::Open(Assignment {
            performer,
            assigned_at: at,
        });
        self.record(
            at,
            actor,
            Fact::Assigned {
                performer,
                previous,
                reason,
            },
        )
    }

    fn record(&mut self, at: DateTime<Utc>, actor: Actor, fact: Fact) -> Event {
        self.last_event_at = at;
        Event {
            task: self.id,
            at,
            actor,
            fact,
        }
    }

    /// T7: later than every event before, even when the clock of another replica ran ahead.
    fn next_instant(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now.max(self.last_event_at + TimeDelta::microseconds(1))
    }

    fn allow_author_or_lead(&self, by: Caller) -> Result<(), Refusal> {
        if by.leads() || by.is(self.author) {
            Ok(())
        } else {
            Err(Refusal::NotAllowed)
        }
    }

    fn ensure_unfinished(&self) -> Result<(), Refusal> {
        match self.state {
            State::Waiting | State::Open(_) => Ok(()),
            State::Completed { .. } => Err(Refusal::Completed),
            State::Cancelled { .. } => Err(Refusal::Cancelled),
        }
    }
}

fn allow_lead(by: Caller) -> Result<(), Refusal> {
    if by.leads() {
        Ok(())
    } else {
        Err(Refusal::NotAllowed)
    }
}

impl Draw {
    fn because(self, cause: Cause) -> Reason {
        Reason::Drawn {
            cause,
            candidates: self.candidates,
        }
    }
}

impl From<Caller> for Actor {
    fn from(caller: Caller) -> Self {
        Self::Person(caller.id)
    }
}
