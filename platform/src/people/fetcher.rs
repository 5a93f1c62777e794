//! Asks the auth bridge for users and stores its answers.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use contracts::identity::{BatchGetUsers, User, UsersBatch};
use sea_orm::{DatabaseTransaction, DbErr};
use uuid::Uuid;

use super::{KIND, PeopleReaction, cache};
use crate::{
    fetch::{Answer, FetchError, Fetched, Fetcher},
    peer::PeerClient,
    sources::Sources,
};

/// The fetch job's part for users.
#[derive(Debug)]
pub struct UserFetcher<R> {
    bridge: PeerClient,
    sources: Sources,
    reaction: Arc<R>,
}

impl<R: PeopleReaction> UserFetcher<R> {
    /// `bridge` is the REST interface of the auth bridge; `reaction` hears of every visible change.
    #[must_use]
    pub const fn new(bridge: PeerClient, sources: Sources, reaction: Arc<R>) -> Self {
        Self {
            bridge,
            sources,
            reaction,
        }
    }
}

impl<R: PeopleReaction> Fetcher for UserFetcher<R> {
    const KIND: &'static str = KIND;
    type Record = User;

    async fn fetch(&self, ids: Vec<Uuid>) -> Result<Fetched<User>, FetchError> {
        let body = BatchGetUsers { ids };
        let answer: UsersBatch = self.bridge.post_json("/users/batch-get", &body).await?;
        let found = answer.users.into_iter().map(|user| (user.user_id, user));
        Ok(Fetched {
            found: found.collect(),
            missing: answer.missing,
        })
    }

    async fn store(
        &self,
        txn: &DatabaseTransaction,
        answers: &[Answer<User>],
    ) -> Result<(), DbErr> {
        let found: Vec<(&User, DateTime<Utc>)> = answers
            .iter()
            .filter_map(|answer| Some((answer.record.as_ref()?, answer.event_ts)))
            .collect();
        let missing: Vec<(Uuid, DateTime<Utc>)> = answers
            .iter()
            .filter(|answer| answer.record.is_none())
            .map(|answer| (answer.id, answer.event_ts))
            .collect();
        let mut changes = cache::store(txn, &found, self.sources.now()).await?;
        changes.extend(cache::mark_deleted(txn, &missing).await?);
        if changes.is_empty() {
            return Ok(());
        }
        self.reaction.people_changed(txn, &changes).await
    }

    fn committed(&self) {
        self.reaction.committed();
    }
}
