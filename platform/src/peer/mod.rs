//! The one client for REST calls to other services: bounded, limited, patient, and quick to give up.
//!
//! Source: DESIGN.md section 7. Limits count per process, so replicas times limit must stay below
//! what the peer allows this caller.

mod breaker;
mod budget;
mod call;
mod error;
mod recent;
mod report;
mod retry;
mod seen;
mod shared;
#[cfg(test)]
mod tests;

use std::{num::NonZeroU32, sync::Arc};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;

use self::{
    call::{Call, Inner},
    shared::Shared,
};
use crate::{auth::MachineToken, sources::Sources};

pub use self::{
    error::PeerError,
    report::{BreakerState, PeerReport},
};

/// Section `[peers.<name>]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Where the peer's REST interface is, without a path.
    pub url: Url,
    /// The most calls under way at once.
    pub max_in_flight: NonZeroU32,
    /// The most calls a second.
    pub per_second: NonZeroU32,
    /// The time for one call with all its attempts, in milliseconds.
    pub deadline_ms: u64,
}

/// A client for one peer, let in by one token; clones share everything.
#[derive(Debug, Clone)]
pub struct PeerClient {
    inner: Arc<Inner>,
}

impl PeerClient {
    /// A client for the peer called `name` in logs, which lets callers in with `token`.
    ///
    /// # Errors
    /// When the trust anchors of the machine cannot be read.
    pub fn try_new(
        name: &'static str,
        config: &PeerConfig,
        token: MachineToken,
        sources: Sources,
    ) -> reqwest::Result<Self> {
        let peer = Shared::try_new(name, config, sources)?;
        Ok(Self::of(Arc::new(peer), token))
    }

    /// A client that `token` lets in at the same peer: what the peer is spared, both spare it together.
    #[must_use]
    pub fn with_token(&self, token: MachineToken) -> Self {
        Self::of(Arc::clone(&self.inner.peer), token)
    }

    fn of(peer: Arc<Shared>, token: MachineToken) -> Self {
        Self {
            inner: Arc::new(Inner::new(peer, token)),
        }
    }

    /// Reads `path`, which begins with a slash.
    ///
    /// The answer is younger than the call, as the guard of a record demands that was told to have
    /// changed (DESIGN.md section 6): calls never share an answer.
    ///
    /// # Errors
    /// See [`PeerError`]; the deadline of the peer bounds the call with all its attempts.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, PeerError> {
        let body = self.inner.read(&Call::get(path)).await?;
        self.inner.decode(&body)
    }

    /// Reads `path` for somebody who may see what was true a second ago, such as a page.
    ///
    /// Equal calls under way share one request, and its answer serves those of the next second, also
    /// when it says that there is no such record; failures are shared and not kept. Never for what an
    /// event asked for: an answer from before the event would be stored under its guard.
    ///
    /// # Errors
    /// See [`PeerError`]; the deadline of the peer bounds the call with all its attempts.
    pub async fn get_recent<T: DeserializeOwned>(&self, path: &str) -> Result<T, PeerError> {
        let body = self.inner.read_recent(path).await?;
        self.inner.decode(&body)
    }

    /// Reads by a question too long for a path; only for questions, since it may be sent twice.
    ///
    /// # Errors
    /// See [`PeerError`]; the deadline of the peer bounds the call with all its attempts.
    pub async fn post_json<B, T>(&self, path: &str, body: &B) -> Result<T, PeerError>
    where
        B: Serialize + ?Sized + Sync,
        T: DeserializeOwned,
    {
        let body = self.inner.read(&Call::ask(path, json_of(body)?)).await?;
        self.inner.decode(&body)
    }

    /// Tells the peer something that may be said twice; its answer's body does not matter.
    ///
    /// # Errors
    /// See [`PeerError`]; the deadline of the peer bounds the call with all its attempts.
    pub async fn tell<B>(&self, path: &str, body: &B) -> Result<(), PeerError>
    where
        B: Serialize + ?Sized + Sync,
    {
        let call = Call::tell(path, json_of(body)?);
        self.inner.read(&call).await.map(drop)
    }

    /// How the client is at this moment.
    #[must_use]
    pub fn report(&self) -> PeerReport {
        self.inner.peer.report()
    }

    /// How many requests are on their way, there or back.
    #[cfg(test)]
    fn in_flight(&self) -> usize {
        self.inner.peer.seen.in_flight()
    }
}

fn json_of<B: Serialize + ?Sized>(body: &B) -> Result<Vec<u8>, PeerError> {
    serde_json::to_vec(body).map_err(|error| PeerError::Unwritable(Arc::new(error)))
}
