//! Applies `auth.user.*` to the local copy.

use std::{collections::HashSet, sync::Arc};

use contracts::{
    Message,
    identity::{UserChanged, UserCreated, UserDeleted},
    topology::ConsumerQueue,
};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::{
    KIND, PeopleReaction, cache,
    fold::{Happening, UserEvent, fold},
};
use crate::{
    consumer::{BatchHandler, HandlerError, Incoming, Verdict, traces},
    fetch::{self, Owed},
    signal::Signal,
    sources::Sources,
    trace,
};

/// Reads the users' queue of a service.
#[derive(Debug)]
pub struct PeopleHandler<R> {
    queue: ConsumerQueue,
    sources: Sources,
    fetches: Signal,
    reaction: Arc<R>,
}

impl<R: PeopleReaction> PeopleHandler<R> {
    /// `fetches` wakes the fetch job of users; `reaction` hears of deletions.
    #[must_use]
    pub fn new(queue: ConsumerQueue, sources: Sources, fetches: Signal, reaction: Arc<R>) -> Self {
        Self {
            queue,
            sources,
            fetches,
            reaction,
        }
    }
}

impl<R: PeopleReaction> BatchHandler for PeopleHandler<R> {
    fn queue(&self) -> ConsumerQueue {
        self.queue
    }

    fn keys(&self) -> &'static [&'static str] {
        &[UserCreated::KEY, UserChanged::KEY, UserDeleted::KEY]
    }

    /// All of them: created and changed only note a fetch, and a deletion is final.
    fn refreshing_keys(&self) -> &'static [&'static str] {
        self.keys()
    }

    async fn handle(
        &self,
        txn: &DatabaseTransaction,
        messages: &[&Incoming],
    ) -> Result<Vec<Verdict>, HandlerError> {
        let events: Vec<_> = messages.iter().map(|message| read(message)).collect();
        let folded = fold(events.iter().flatten().copied());

        let deleted: Vec<_> = folded.deleted.into_iter().collect();
        let gone: Vec<_> = deleted.iter().map(|(user_id, _)| *user_id).collect();
        let noted_next = folded.changed.keys().copied();
        fetch::forget(txn, KIND, &gone, noted_next).await?;
        self.reaction.people_deleted(txn, &gone).await?;
        let changes = cache::mark_deleted(txn, &deleted).await?;

        let changed: Vec<_> = folded.changed.into_iter().collect();
        let news = cache::still_news(txn, &changed).await?;
        let owed: Vec<Owed> = news
            .into_iter()
            .map(|(id, event_ts)| Owed { id, event_ts })
            .collect();
        let noting = fetch::note(txn, KIND, &owed, self.sources.now());
        trace::scope_of_batch(traces(&events, messages, |event| event.user_id), noting).await?;

        let deletions = changes.iter().map(|change| change.after.user_id);
        let applied: HashSet<Uuid> = owed.iter().map(|owed| owed.id).chain(deletions).collect();
        let verdict = |event: Result<UserEvent, Verdict>| match event {
            Ok(event) if applied.contains(&event.user_id) => Verdict::Applied,
            Ok(_) => Verdict::Ignored,
            Err(unreadable) => unreadable,
        };
        Ok(events.into_iter().map(verdict).collect())
    }

    fn committed(&self) {
        self.fetches.wake();
        self.reaction.committed();
    }
}

fn read(message: &Incoming) -> Result<UserEvent, Verdict> {
    let (user_id, at, what) = match message.routing_key.as_str() {
        UserDeleted::KEY => {
            let body: UserDeleted = message.read()?;
            (body.user_id, body.timestamp, Happening::Deleted)
        }
        UserCreated::KEY => {
            let body: UserCreated = message.read()?;
            (body.user_id, body.timestamp, Happening::Changed)
        }
        _ => {
            let body: UserChanged = message.read()?;
            (body.user_id, body.timestamp, Happening::Changed)
        }
    };
    Ok(UserEvent { user_id, at, what })
}
