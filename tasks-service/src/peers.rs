//! Clients for the REST interfaces of other services; each scope has a token of its own.

use contracts::{operations::MANAGE_SCOPE, rest};
use platform::{
    auth::{Issuer, MachineToken},
    peer::PeerClient,
    sources::Sources,
};

use crate::config::Config;

/// Whom the board asks.
#[derive(Debug)]
pub(crate) struct Peers {
    /// The auth bridge, for users.
    pub(crate) users: PeerClient,
    /// The auth bridge, for its part of the operations page.
    pub(crate) bridge: PeerClient,
    /// The auth bridge, for what it sent.
    pub(crate) sent_by_auth: PeerClient,
    /// Finance, for what it sent.
    pub(crate) sent_by_finance: PeerClient,
}

impl Peers {
    /// # Errors
    /// When the trust anchors of the machine cannot be read.
    pub(crate) fn try_new(
        config: &Config,
        issuer: &Issuer,
        sources: &Sources,
    ) -> anyhow::Result<Self> {
        let (auth, finance) = (&config.peers.auth, &config.peers.finance);
        let identity = &config.identity;
        let token = |scope| MachineToken::new(issuer.clone(), identity, scope, sources.clone());
        let client =
            |name, peer, scope| PeerClient::try_new(name, peer, token(scope), sources.clone());
        let users = client("auth", auth, rest::USERS_READ)?;
        Ok(Self {
            bridge: users.with_token(token(MANAGE_SCOPE)),
            sent_by_auth: users.with_token(token(rest::MESSAGES_READ)),
            users,
            sent_by_finance: client("finance", finance, rest::MESSAGES_READ)?,
        })
    }
}
