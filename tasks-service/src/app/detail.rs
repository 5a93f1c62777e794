//! The questions that the page of one task and its forms ask.

use std::collections::HashMap;

use uuid::Uuid;

use crate::{
    app::App,
    domain::{
        event::{Event, Fact},
        person::Actor,
    },
    store::{self, StoreError, people::Named},
};

pub use crate::store::page::{Address, Detail, KnownPrice};

/// The task that an address names, with its price.
pub async fn find(app: &App, address: Address) -> Result<Option<Detail>, StoreError> {
    store::page::detail(&app.db, address).await
}

/// A task with its history and the names of everybody in it.
#[derive(Debug)]
pub struct Story {
    pub detail: Detail,
    /// Newest first.
    pub history: Vec<Event>,
    pub names: HashMap<Uuid, Named>,
}

/// Everything the page of a task shows.
pub async fn story(app: &App, address: Address) -> Result<Option<Story>, StoreError> {
    let Some(detail) = find(app, address).await? else {
        return Ok(None);
    };
    let history = store::history::of(&app.db, detail.task.id).await?;
    let task = detail.task;
    let people = history
        .iter()
        .flat_map(people_of)
        .chain(task.performer().map(|user| user.0));
    let names = store::people::names(&app.db, people.chain([task.author.0])).await?;
    Ok(Some(Story {
        detail,
        history,
        names,
    }))
}

fn people_of(event: &Event) -> Vec<Uuid> {
    let actor = match event.actor {
        Actor::Person(user) => Some(user),
        Actor::System => None,
    };
    let named = match event.fact {
        Fact::Filed | Fact::Edited { .. } | Fact::Cancelled => [None, None],
        Fact::Assigned {
            performer,
            previous,
            ..
        } => [Some(performer), previous],
        Fact::Released { previous } => [None, Some(previous)],
        Fact::Completed { performer } => [Some(performer), None],
    };
    actor
        .into_iter()
        .chain(named.into_iter().flatten())
        .map(|user| user.0)
        .collect()
}
