//! Compares the local copy of all users with the auth bridge and repairs differences (DESIGN.md section 6).
//!
//! It writes nothing itself: a difference becomes a note of an owed fetch, so that repairs and events
//! take the same guarded way and a deletion in between wins.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use contracts::identity::User;
use sea_orm::{DatabaseConnection, DbErr, TransactionTrait};
use uuid::Uuid;

use super::{KIND, Person, cache, fetcher::UserSource};
use crate::{
    backoff::Backoff,
    errors::explain,
    fetch::{self, FetchError, Owed},
    lifecycle::Lifecycle,
    signal::Signal,
    sources::Sources,
};

/// The pause between two comparisons.
const PERIOD: Duration = Duration::from_hours(6);

/// The largest part of the living users that may be missing at the source, in percent.
const MOST_VANISHED_PERCENT: usize = 10;

/// So many may be missing whatever their part: in a small company one leaver is a large part.
const VANISHED_ALLOWANCE: usize = 10;

/// Why the comparison was given up.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The bridge did not answer.
    #[error("the users cannot be read from their source")]
    Source(#[from] FetchError),
    /// The database failed.
    #[error("the local copy of the users cannot be read or written")]
    Database(#[from] DbErr),
    /// So many users are missing at the source that the source is to be doubted.
    #[error(
        "{vanished} of {living} users are missing at their source; nobody was marked as deleted"
    )]
    MassDeletion {
        /// Users that live here and are missing there.
        vanished: usize,
        /// Users that live here.
        living: usize,
    },
}

/// What a comparison found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// Users that the source has.
    pub seen: usize,
    /// Users that are unknown or different here; they will be fetched.
    pub different: usize,
    /// Users that are missing at the source; they will be asked for and marked as deleted.
    pub vanished: usize,
}

impl fmt::Display for Reconciliation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seen,
            different,
            vanished,
        } = self;
        write!(
            f,
            "{seen} compared, {different} will be fetched, {vanished} are gone"
        )
    }
}

/// Compares at start and every six hours; `fetches` wakes the fetch job of users.
pub fn spawn_reconciliation<S: UserSource>(
    lifecycle: &Lifecycle,
    db: DatabaseConnection,
    sources: Sources,
    source: Arc<S>,
    fetches: Signal,
) {
    let stopping = lifecycle.stopping();
    let (shortest, longest) = (Duration::from_secs(1), Duration::from_mins(1));
    let mut backoff = Backoff::new(shortest, longest, sources.rng());
    lifecycle.spawn("reconciliation of users", async move {
        loop {
            let comparison = reconcile(&db, &sources, source.as_ref());
            let outcome = tokio::select! {
                outcome = comparison => outcome,
                () = stopping.cancelled() => return,
            };
            fetches.wake();
            let pause = match outcome {
                Ok(found) => {
                    tracing::info!(
                        found.seen,
                        found.different,
                        found.vanished,
                        "users are compared"
                    );
                    backoff.reset();
                    PERIOD
                }
                Err(error @ ReconcileError::MassDeletion { .. }) => {
                    tracing::error!(
                        error = explain(&error),
                        "the source of the users is doubted"
                    );
                    PERIOD
                }
                Err(error) => {
                    tracing::warn!(error = explain(&error), "users could not be compared");
                    backoff.next_pause()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stopping.cancelled() => return,
            }
        }
    });
}

/// Compares all users once.
///
/// # Errors
/// [`ReconcileError`]; what was noted until then stays noted.
pub async fn reconcile<S: UserSource>(
    db: &DatabaseConnection,
    sources: &Sources,
    source: &S,
) -> Result<Reconciliation, ReconcileError> {
    // Read first: whoever is created while the pages are read is then not taken for vanished.
    let living = cache::living_ids(db).await?;
    let mut unseen: HashSet<Uuid> = living.iter().copied().collect();
    let mut found = Reconciliation::default();
    let mut after = None;
    loop {
        let page = source.page(after).await?;
        let ids = page.users.iter().map(|user| user.user_id).collect();
        let known = cache::by_id(cache::find_many(db, ids).await?);
        let owed: Vec<Owed> = page
            .users
            .iter()
            .filter_map(|user| owed_for(user, known.get(&user.user_id)))
            .collect();
        note(db, sources, &owed).await?;
        found.seen += page.users.len();
        found.different += owed.len();
        for user in &page.users {
            unseen.remove(&user.user_id);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    found.vanished = unseen.len();
    let allowed = VANISHED_ALLOWANCE.max(living.len() * MOST_VANISHED_PERCENT / 100);
    if found.vanished > allowed {
        return Err(ReconcileError::MassDeletion {
            vanished: found.vanished,
            living: living.len(),
        });
    }
    note_vanished(db, sources, unseen).await?;
    Ok(found)
}

/// The fetch that a difference calls for; it carries the newest event anybody knows of.
fn owed_for(user: &User, known: Option<&Person>) -> Option<Owed> {
    let event_ts = match known {
        None => user.changed_at,
        // Deletion is final, whatever the source says.
        Some(person) if person.is_deleted || is_copy_of(person, user) => return None,
        Some(person) => person.guard.max(user.changed_at),
    };
    Some(Owed {
        id: user.user_id,
        event_ts,
    })
}

fn is_copy_of(person: &Person, user: &User) -> bool {
    let as_stored = Person {
        user_id: user.user_id,
        username: user.username.clone(),
        email: user.email.clone().filter(|email| !email.is_empty()),
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        roles: user.roles.clone(),
        is_enabled: user.enabled,
        is_deleted: false,
        guard: person.guard,
        fetched_at: person.fetched_at,
    };
    !person.differs_from(&as_stored)
}

async fn note_vanished(
    db: &DatabaseConnection,
    sources: &Sources,
    unseen: HashSet<Uuid>,
) -> Result<(), DbErr> {
    let people = cache::find_many(db, unseen.into_iter().collect()).await?;
    let owed: Vec<Owed> = people
        .into_iter()
        .map(|person| Owed {
            id: person.user_id,
            event_ts: person.guard,
        })
        .collect();
    note(db, sources, &owed).await
}

async fn note(db: &DatabaseConnection, sources: &Sources, owed: &[Owed]) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    fetch::note(&txn, KIND, owed, sources.now()).await?;
    txn.commit().await
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::people::sample;

    fn user(id: u128, changed: i64) -> User {
        let person = sample(id);
        let at = DateTime::from_timestamp(changed, 0).unwrap();
        User {
            user_id: person.user_id,
            username: person.username,
            email: person.email,
            first_name: person.first_name,
            last_name: person.last_name,
            roles: person.roles,
            enabled: true,
            changed_at: at,
            as_of: at,
        }
    }

    #[test]
    fn only_unknown_and_different_users_are_fetched_with_the_newest_known_event() {
        assert_eq!(owed_for(&user(1, 5), Some(&sample(1))), None);
        let unknown = owed_for(&user(1, 5), None).unwrap();
        assert_eq!(unknown.event_ts.timestamp(), 5);
        let mut renamed = sample(1);
        renamed.last_name = "Ivanova".to_owned();
        renamed.guard = DateTime::from_timestamp(9, 0).unwrap();
        let different = owed_for(&user(1, 5), Some(&renamed)).unwrap();
        assert_eq!(different.event_ts.timestamp(), 9);
    }

    #[test]
    fn a_deleted_user_stays_deleted_whatever_the_source_says() {
        let mut gone = sample(1);
        gone.is_deleted = true;
        assert_eq!(owed_for(&user(1, 5), Some(&gone)), None);
    }
}
