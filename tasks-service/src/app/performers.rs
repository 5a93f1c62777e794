//! Whom tasks are drawn among, kept in memory.
//!
//! A draw must not read 100,000 people (DESIGN.md section 1), and a random row cannot be had both
//! uniformly and cheaply from SQL. So every process keeps the list and reads it anew when people
//! change and every few seconds. It may lag behind; whatever is drawn from it is checked by the
//! transaction that uses it.

use std::sync::{Arc, PoisonError, RwLock};

use sea_orm::ConnectionTrait;

use crate::{
    domain::{assignment::Eligibility, id::UserId},
    store::{self, StoreError},
};

/// The list; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Performers(Arc<RwLock<Arc<[UserId]>>>);

impl Performers {
    /// The list as it was read last; empty before the first time.
    #[must_use]
    pub fn current(&self) -> Arc<[UserId]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the list anew.
    pub async fn refresh(
        &self,
        db: &impl ConnectionTrait,
        rule: &Eligibility,
    ) -> Result<(), StoreError> {
        let people: Arc<[UserId]> = store::performers::eligible(db, rule).await?.into();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = people;
        Ok(())
    }
}
