//! Keeps the copy of users equal to Keycloak's and publishes every difference.
//!
//! Two looks at the event stores, a short one every second and a deep one every minute, find what
//! Keycloak recorded; a full comparison finds what it did not. All of them lead to the same thing:
//! users are read anew and compared with the copy, so nothing depends on how a change was found.
//!
//! Keycloak makes a change visible in its database, and in the list of users, in the moment of its event,
//! but answers for a single user from a cache, which it corrects a moment later: within milliseconds, or
//! longer while it is short of processor time. So each event leads to a second reading soon after the first.

pub mod check;
mod later;
mod observe;
mod paging;
mod poll;
mod reconcile;
mod rhythm;

use std::time::Duration;

use chrono::TimeDelta;
use platform::{mass_deletion::Guard, outbox::OutboxSignal, sources::Sources};
use sea_orm::DatabaseConnection;
use serde::Deserialize;

use crate::{
    admin::{Keycloak, KeycloakError},
    store::{StoreError, events::Depth},
};

/// Section `[sync]`; `defaults.toml` says what each is for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncConfig {
    /// Milliseconds between two looks.
    pub poll_ms: u64,
    /// Seconds that each look reaches back.
    pub overlap_seconds: u32,
    /// Milliseconds between the first reading of a user for an event and the next.
    pub read_again_ms: u32,
    /// Seconds between two deep looks.
    pub deep_poll_seconds: u32,
    /// Seconds that a deep look reaches back.
    pub deep_overlap_seconds: u32,
    /// Minutes between two full comparisons.
    pub reconcile_minutes: u32,
    /// Seconds between an event that calls for a full comparison and its beginning.
    pub reconcile_delay_seconds: u32,
    /// Users that may always be found missing at once.
    pub max_missing: u32,
    /// The share of users that may be found missing at once.
    pub max_missing_percent: u32,
}

impl SyncConfig {
    fn pause(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }

    fn read_again_pause(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.read_again_ms.into())
    }

    fn deep_pause(&self) -> Duration {
        Duration::from_secs(self.deep_poll_seconds.into())
    }

    fn guard(&self) -> Guard {
        Guard {
            few: self.max_missing,
            percent: self.max_missing_percent,
        }
    }

    fn overlap(&self, depth: Depth) -> TimeDelta {
        let seconds = match depth {
            Depth::Shallow => self.overlap_seconds,
            Depth::Deep => self.deep_overlap_seconds,
        };
        TimeDelta::seconds(seconds.into())
    }
}

/// Why the copy could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Keycloak did not answer.
    #[error("Keycloak cannot be read")]
    Keycloak(#[from] KeycloakError),
    /// The own database did not do its part.
    #[error("the copy cannot be written")]
    Store(#[from] StoreError),
    /// What Keycloak answers is not to be trusted, or lacks what the bridge needs.
    #[error("the bridge must not watch users as Keycloak is set up")]
    Unfit(#[from] check::Unfit),
}

impl SyncError {
    /// Whether it lasts until a person changes something in Keycloak.
    fn is_unfit(&self) -> bool {
        use check::Unfit;
        matches!(
            self,
            Self::Unfit(Unfit::MissingRole(_) | Unfit::RolesHidden | Unfit::Unrecorded(_))
        )
    }

    fn is_lost_lead(&self) -> bool {
        matches!(self, Self::Store(StoreError::LostLead))
    }
}

/// Keeps one realm's users; only the leading replica of the bridge runs it.
#[derive(Debug)]
pub struct Syncer<K> {
    keycloak: K,
    db: DatabaseConnection,
    sources: Sources,
    outbox: OutboxSignal,
    config: SyncConfig,
}

impl<K: Keycloak> Syncer<K> {
    /// A syncer that wakes the relay through `outbox` when it has something to publish.
    #[must_use]
    pub fn new(
        keycloak: K,
        db: DatabaseConnection,
        sources: Sources,
        outbox: OutboxSignal,
        config: SyncConfig,
    ) -> Self {
        Self {
            keycloak,
            db,
            sources,
            outbox,
            config,
        }
    }
}
