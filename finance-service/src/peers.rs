//! Clients for the REST interfaces of other services; each scope has a token of its own.

use contracts::rest;
use platform::{
    auth::{Issuer, MachineToken},
    peer::PeerClient,
    sources::Sources,
};

use crate::config::Config;

/// Whom Finance asks.
#[derive(Debug)]
pub(crate) struct Peers {
    /// The auth bridge, for users.
    pub(crate) users: PeerClient,
    /// The task board, for tasks.
    pub(crate) tasks: PeerClient,
    /// The auth bridge, for what it sent.
    pub(crate) sent_by_auth: PeerClient,
    /// The task board, for what it sent.
    pub(crate) sent_by_tasks: PeerClient,
}

impl Peers {
    /// # Errors
    /// When the trust anchors of the machine cannot be read.
    pub(crate) fn try_new(
        config: &Config,
        issuer: &Issuer,
        sources: &Sources,
    ) -> anyhow::Result<Self> {
        let (auth, tasks) = (&config.peers.auth, &config.peers.tasks);
        let identity = &config.identity;
        let token = |scope| MachineToken::new(issuer.clone(), identity, scope, sources.clone());
        let client =
            |name, peer, scope| PeerClient::try_new(name, peer, token(scope), sources.clone());
        let users = client("auth", auth, rest::USERS_READ)?;
        let tasks = client("tasks", tasks, rest::TASKS_READ)?;
        Ok(Self {
            sent_by_auth: users.with_token(token(rest::MESSAGES_READ)),
            sent_by_tasks: tasks.with_token(token(rest::MESSAGES_READ)),
            users,
            tasks,
        })
    }
}
