//! What the service can do: one transaction per command, and the questions its pages ask.

pub mod board;
pub mod command;
pub mod detail;
pub mod export;
pub mod file;
pub mod people;
pub mod performers;
pub mod prices;
pub mod redraw;

use std::sync::Arc;

use contracts::tasks::TaskStatus;
use platform::{outbox::OutboxSignal, signal::Signal, sources::Sources};
use sea_orm::DatabaseConnection;

pub use crate::store::{StoreError, people::Named};

use self::performers::Performers;
use crate::domain::{assignment::Eligibility, task::State};

/// What every command needs; cheap to clone, clones share their state.
#[derive(Debug, Clone)]
pub struct App {
    pub db: DatabaseConnection,
    pub sources: Sources,
    /// Tells the relay that there is something to publish.
    pub outbox: OutboxSignal,
    /// Tells the job of redraws that people changed.
    pub people_changed: Signal,
    /// Whom tasks may be drawn for.
    pub eligibility: Arc<Eligibility>,
    pub performers: Performers,
}

/// The state of a task as contracts and pages name it.
#[must_use]
pub fn status_of(state: State) -> TaskStatus {
    match state {
        State::Waiting => TaskStatus::Waiting,
        State::Open(_) => TaskStatus::Open,
        State::Completed { .. } => TaskStatus::Completed,
        State::Cancelled { .. } => TaskStatus::Cancelled,
    }
}
