//! The bridge's database: the copy of users, the events seen, and how far the copy is.

pub mod comparison;
mod entity;
pub mod events;
pub mod mirror;
pub mod people;
pub mod state;

use sea_orm::DbErr;

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed or refused.
    #[error("the bridge's database failed")]
    Database(#[from] DbErr),
    /// Another replica leads now; nothing was written.
    #[error("another replica leads now")]
    LostLead,
    /// `migrate` has not run: the row of `sync_state` is missing.
    #[error("the bridge's database is not set up")]
    NotSetUp,
}
