//! The operations page of a service, for administrators: the same addresses answer people with pages and
//! scripts, which ask for JSON, with data.
//!
//! A script uses the session of an administrator: it reads `csrf_token` from the overview and sends it in
//! the header `x-csrf-token` with every command. Commands are forms, for people and scripts alike.

mod administrator;
mod bridge;
mod commands;
mod pages;
#[cfg(test)]
mod tests;
pub mod views;

use std::sync::Arc;

use axum::{
    extract::FromRef,
    routing::{get, post},
};
use contracts::identity::Role;
use sea_orm::DatabaseConnection;

use super::copies::LocalCopy;
use crate::{
    auth::{Permission, WebAuth},
    outbox::OutboxSignal,
    peer::PeerClient,
    rabbit::Broker,
    routes::Routes,
    sources::Sources,
    ui::Site,
};

/// Where the page begins that shows all services.
pub const HOME: &str = "/operations";

/// To see what is stuck and to move it on.
#[derive(Debug, Clone, Copy)]
pub struct ManageOperations;

impl Permission for ManageOperations {
    const ALLOWED: &'static [Role] = &[Role::Administrator];
}

/// What the operations pages of one service are about.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// The service, for people: `Finance`.
    pub name: &'static str,
    /// The same in ids of elements: `finance`.
    pub key: &'static str,
    /// The path that its pages begin with.
    pub base: &'static str,
    /// The copies it keeps.
    pub copies: &'static [LocalCopy],
    /// Parts of other services that its overview shows.
    pub others: &'static [Part],
}

/// A part of the overview that is loaded after it, and may fail alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The service, for people.
    pub name: &'static str,
    /// The same in ids of elements.
    pub key: &'static str,
    /// The page that has it.
    pub path: &'static str,
    /// Whether commands about it are noted there too.
    pub has_audit: bool,
}

/// What the pages work with; clones share it.
#[derive(Debug, Clone)]
pub struct Operations {
    /// What they are about.
    pub subject: &'static Subject,
    /// What all pages have in common.
    pub site: Site,
    /// Who is asking.
    pub auth: WebAuth,
    /// The own database.
    pub db: DatabaseConnection,
    /// Time and ids.
    pub sources: Sources,
    /// The own queues.
    pub broker: Broker,
    /// Wakes the relay when messages are sent again.
    pub outbox: OutboxSignal,
    /// The auth bridge, in the service that shows its part.
    pub bridge: Option<Arc<PeerClient>>,
}

impl FromRef<Operations> for WebAuth {
    fn from_ref(operations: &Operations) -> Self {
        operations.auth.clone()
    }
}

/// The pages below [`Subject::base`].
pub fn router(operations: Operations) -> Routes {
    let bridge = operations.bridge.is_some();
    let mut pages = Routes::new()
        .route("/", get(pages::overview))
        .route("/audit", get(pages::audit))
        .route("/parked/retry", post(commands::retry_all))
        .route("/parked/{id}", get(pages::message))
        .route("/parked/{id}/body", get(pages::body))
        .route("/parked/{id}/retry", post(commands::retry_one))
        .route("/parked/{id}/discard", post(commands::discard_one))
        .route("/causes/{id}", get(pages::cause))
        .route("/causes/{id}/retry", post(commands::retry_cause))
        .route("/causes/{id}/discard", post(commands::discard_cause))
        .route("/refused/retry", post(commands::retry_all_refused))
        .route("/refused/{position}", get(pages::refused))
        .route("/refused/{position}/retry", post(commands::retry_refused))
        .route(
            "/refused/{position}/discard",
            post(commands::discard_refused),
        );
    if bridge {
        pages = pages
            .route("/auth", get(bridge::page))
            .route("/auth/compare", post(bridge::compare))
            .route("/auth/accept-deletions", post(bridge::accept_deletions))
            .route(
                "/auth/refused/{position}/retry",
                post(bridge::retry_refused),
            )
            .route(
                "/auth/refused/{position}/discard",
                post(bridge::discard_refused),
            );
    }
    Routes::new().nest(operations.subject.base, pages.with_state(operations))
}
