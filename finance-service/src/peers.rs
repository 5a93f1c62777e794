//! Clients for the REST interfaces of other services; each scope has a client of its own.

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
        let client = |name, config, scope| {
            let token = MachineToken::new(issuer.clone(), identity, scope, sources.clone());
            PeerClient::try_new(name, config, token, sources.clone())
        };
        Ok(Self {
            users: client("auth", auth, rest::USERS_READ)?,
            tasks: client("tasks", tasks, rest::TASKS_READ)?,
            sent_by_auth: client("auth messages", auth, rest::MESSAGES_READ)?,
            sent_by_tasks: client("tasks messages", tasks, rest::MESSAGES_READ)?,
        })
    }
}
