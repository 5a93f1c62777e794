//! What the pages of the board show: plain structs that handlers fill, each with the template that renders it.
//!
//! Addresses and form fields that a template writes are named at its struct, so that handlers read the same.

mod board;
mod form;
mod query;
mod task;

pub use board::{BoardCounts, BoardPage, Day, MineCounts, MinePage, TaskRow};
pub use form::{AssignPage, CancelTaskPage, EditTaskPage, FormErrors, NewTaskPage, Pick, TaskForm};
pub use query::{BoardQuery, BoardView, MineQuery, MineView, Order};
pub use task::{Cause, Happened, HistoryEntry, Price, Rights, TaskDetail, TaskPage, Why};

#[cfg(test)]
mod tests;
