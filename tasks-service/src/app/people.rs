//! People: whom a task can be handed to by choice, and what happens when people change.

use std::collections::HashMap;

use platform::{
    auth::session::EndSessions,
    people::{PeopleReaction, PersonChange},
    signal::Signal,
};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::{
    app::App,
    store::{self, DatabaseResult, StoreError, people::Named},
};

/// The most people a page offers to choose from.
pub const MAX_CHOICES: u32 = 500;

/// People who may be handed a task, by name.
pub async fn choices(app: &App) -> Result<Vec<Named>, StoreError> {
    store::people::eligible(&app.db, &app.eligibility, MAX_CHOICES).await
}

/// How people are called, as far as the local copy knows.
pub async fn names(
    app: &App,
    users: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Named>, StoreError> {
    store::people::names(&app.db, users).await
}

/// What the board does when people change.
///
/// Whoever loses a right is logged out (DESIGN.md section 9); and the job of redraws is woken, since
/// performers may be lost or may be there for tasks that wait.
#[derive(Debug, Clone)]
pub struct PeopleWatch {
    people_changed: Signal,
}

impl PeopleWatch {
    /// Wakes `people_changed` after each change.
    #[must_use]
    pub fn new(people_changed: Signal) -> Self {
        Self { people_changed }
    }
}

impl PeopleReaction for PeopleWatch {
    async fn people_changed(
        &self,
        txn: &DatabaseTransaction,
        changes: &[PersonChange],
    ) -> DatabaseResult {
        EndSessions.people_changed(txn, changes).await
    }

    async fn people_deleted(&self, txn: &DatabaseTransaction, user_ids: &[Uuid]) -> DatabaseResult {
        EndSessions.people_deleted(txn, user_ids).await
    }

    fn committed(&self) {
        self.people_changed.wake();
    }
}
