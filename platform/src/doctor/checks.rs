//! Checks that several services need: the broker, the identity provider, a peer's REST interface.

use std::time::Duration;

use contracts::topology::Publisher;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{
    auth::{MachineToken, TokenUnavailable},
    peer::{PeerClient, PeerError},
    rabbit::{self, Broker, BrokerConfig, BrokerConfigError, LinkError},
    sources::Sources,
};

/// How long the broker may take; its connections are patient and would wait for it for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is wrong with the broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerFault {
    /// The address cannot be read.
    #[error("its settings cannot be used")]
    Config(#[from] BrokerConfigError),
    /// Nobody answers, or the login is refused.
    #[error("it does not answer")]
    Silent,
    /// The connection broke.
    #[error("it cannot be asked")]
    Link(#[from] LinkError),
    /// It is too old, or something else than what is needed.
    #[error("it will not do: {0}")]
    Unfit(String),
    /// Exchanges or queues are not declared.
    #[error("{0}; `migrate` declares what is missing")]
    Incomplete(String),
}

/// Whether the broker is able to serve, lets the service in, and has every exchange and queue that
/// it needs.
///
/// # Errors
/// [`BrokerFault`] in words for an administrator.
pub async fn broker(
    config: &BrokerConfig,
    service: Publisher,
    sources: &Sources,
) -> Result<(), BrokerFault> {
    let broker = Broker::try_new(config, service, sources)?;
    let lacks = broker.introduction().await?.lacks();
    if !lacks.is_empty() {
        return Err(BrokerFault::Unfit(lacks.join("; ")));
    }
    let missing = timeout(PATIENCE, rabbit::missing(&broker)).await;
    let missing = missing.map_err(|_elapsed| BrokerFault::Silent)??;
    if missing.is_empty() {
        return Ok(());
    }
    Err(BrokerFault::Incomplete(missing.join("; ")))
}

/// Whether the identity provider gives the service a machine token.
///
/// # Errors
/// [`TokenUnavailable`] when it gives none.
pub async fn identity_provider(token: &MachineToken) -> Result<(), TokenUnavailable> {
    token.current().await.map(drop)
}

/// What is wrong with a peer.
#[derive(Debug, thiserror::Error)]
pub enum PeerFault {
    /// The machine's trust anchors cannot be read.
    #[error("no client can be made for it")]
    Client(#[from] reqwest::Error),
    /// It is away, or does not let the service in.
    #[error("it does not answer as it should")]
    Call(#[from] PeerError),
}

/// Whether a peer lets the service in and answers `path` with a `T`.
///
/// # Errors
/// [`PeerFault`] when it does not.
pub async fn peer<T: DeserializeOwned>(
    client: reqwest::Result<PeerClient>,
    path: &str,
) -> Result<(), PeerFault> {
    client?.get_json::<T>(path).await?;
    Ok(())
}
