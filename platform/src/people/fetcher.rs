//! Asks the auth bridge for users and stores its answers.

use std::{future::Future, sync::Arc};

use chrono::{DateTime, Utc};
use contracts::identity::{BatchGetUsers, User, UsersBatch, UsersPage};
use sea_orm::{DatabaseTransaction, DbErr};
use uuid::Uuid;

use super::{KIND, PeopleReaction, cache};
use crate::{
    fetch::{Answer, FetchError, Fetched, Fetcher},
    peer::PeerClient,
    sources::Sources,
};

/// The auth bridge, or a stand-in for it in tests.
pub trait UserSource: Send + Sync + 'static {
    /// `POST /users/batch-get`.
    ///
    /// # Errors
    /// [`FetchError`] when there was no answer.
    fn batch_get(
        &self,
        ids: Vec<Uuid>,
    ) -> impl Future<Output = Result<UsersBatch, FetchError>> + Send;

    /// `GET /users`, the page after `after`.
    ///
    /// # Errors
    /// [`FetchError`] when there was no answer.
    fn page(
        &self,
        after: Option<Uuid>,
    ) -> impl Future<Output = Result<UsersPage, FetchError>> + Send;
}

impl UserSource for PeerClient {
    async fn batch_get(&self, ids: Vec<Uuid>) -> Result<UsersBatch, FetchError> {
        let body = BatchGetUsers { ids };
        Ok(self.post_json("/users/batch-get", &body).await?)
    }

    async fn page(&self, after: Option<Uuid>) -> Result<UsersPage, FetchError> {
        let path = match after {
            Some(after) => format!("/users?limit=500&after={after}"),
            None => "/users?limit=500".to_owned(),
        };
        Ok(self.get_json(&path).await?)
    }
}

/// The fetch job's part for users.
#[derive(Debug)]
pub struct UserFetcher<S, R> {
    source: Arc<S>,
    sources: Sources,
    reaction: Arc<R>,
}

impl<S: UserSource, R: PeopleReaction> UserFetcher<S, R> {
    /// Asks `source`; `reaction` hears of every visible change.
    #[must_use]
    pub fn new(source: Arc<S>, sources: Sources, reaction: Arc<R>) -> Self {
        Self {
            source,
            sources,
            reaction,
        }
    }
}

impl<S: UserSource, R: PeopleReaction> Fetcher for UserFetcher<S, R> {
    const KIND: &'static str = KIND;
    type Record = User;

    async fn fetch(&self, ids: Vec<Uuid>) -> Result<Fetched<User>, FetchError> {
        let answer = self.source.batch_get(ids).await?;
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
