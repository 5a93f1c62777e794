//! One connection to the broker that is dialled again whenever it is needed and gone.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lapin::{Channel, Connection, ConnectionProperties, uri::AMQPUri};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::capability::Introduction;
use crate::{backoff::Backoff, sources::Sources};

/// How long dialling, opening a channel and any other single step may take.
const STEP_LIMIT: Duration = Duration::from_secs(10);

/// Why a step with the broker failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LinkError {
    /// The broker or the network said so.
    #[error(transparent)]
    Broker(#[from] lapin::Error),
    /// Nothing was heard in time; what was asked may have happened all the same.
    #[error("the broker did not answer in time")]
    Silent,
}

/// A connection with a name; clones share it.
#[derive(Debug, Clone)]
pub struct Link(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    uri: AMQPUri,
    /// Held while dialling, so that many users of a dead connection dial once.
    dialling: tokio::sync::Mutex<Dialling>,
    current: Mutex<Option<Arc<Connection>>>,
}

#[derive(Debug)]
struct Dialling {
    backoff: Backoff,
    not_before: Instant,
}

impl Link {
    /// A connection that is not open yet; the broker shows it under `name`.
    pub(super) fn new(name: String, uri: AMQPUri, sources: &Sources) -> Self {
        let backoff = Backoff::new(
            Duration::from_millis(100),
            Duration::from_secs(10),
            sources.rng(),
        );
        Self(Arc::new(Inner {
            name,
            uri,
            dialling: tokio::sync::Mutex::new(Dialling {
                backoff,
                not_before: Instant::now(),
            }),
            current: Mutex::new(None),
        }))
    }

    /// A fresh channel, however long it takes until the broker is there.
    ///
    /// Dropping the future is safe at any point.
    pub async fn channel(&self) -> Channel {
        loop {
            let connection = self.connection().await;
            match self.step(connection.create_channel()).await {
                Ok(channel) => return channel,
                Err(error) => {
                    self.abandon(&error);
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// A fresh channel, for those who can do without.
    ///
    /// # Errors
    /// [`LinkError::Silent`] when there is none within the time of a step.
    pub(super) async fn channel_soon(&self) -> Result<Channel, LinkError> {
        let opened = timeout(STEP_LIMIT, self.channel()).await;
        opened.map_err(|_elapsed| LinkError::Silent)
    }

    /// Forgets the connection, so that the next user dials a new one.
    ///
    /// It is closed when its last channel is dropped: closing it politely would wait behind what it
    /// could not send.
    pub fn abandon(&self, error: &LinkError) {
        if self.lock().take().is_some() {
            tracing::warn!(link = self.0.name, %error, "the broker connection is given up");
        }
    }

    /// What the broker says of itself, on a connection of its own. Boxed, since dialling is large.
    pub(super) async fn introduction(&self) -> Result<Introduction, LinkError> {
        self.step(Box::pin(Introduction::of(&self.0.uri))).await
    }

    /// Runs one step under the time limit, which stands still while the broker blocks us.
    ///
    /// Giving up on a blocked connection would only make duplicates: what it has been sent counts
    /// once the block is lifted.
    ///
    /// # Errors
    /// [`LinkError`]; after [`LinkError::Silent`] the outcome is unknown.
    pub async fn step<T>(
        &self,
        work: impl Future<Output = Result<T, lapin::Error>>,
    ) -> Result<T, LinkError> {
        let mut work = std::pin::pin!(work);
        loop {
            match timeout(STEP_LIMIT, &mut work).await {
                Ok(outcome) => return outcome.map_err(LinkError::from),
                Err(_elapsed) if self.is_blocked() => {
                    tracing::warn!(link = self.0.name, "the broker blocks publishers; waiting");
                }
                Err(_elapsed) => return Err(LinkError::Silent),
            }
        }
    }

    async fn connection(&self) -> Arc<Connection> {
        let mut dialling = self.0.dialling.lock().await;
        loop {
            if let Some(connection) = self.usable() {
                return connection;
            }
            sleep_until(dialling.not_before).await;
            let outcome = self.step(self.dial()).await;
            dialling.not_before = Instant::now() + dialling.backoff.next_pause();
            match outcome {
                Ok(connection) => {
                    dialling.backoff.reset();
                    tracing::info!(link = self.0.name, "connected to the broker");
                    let connection = Arc::new(connection);
                    *self.lock() = Some(Arc::clone(&connection));
                    return connection;
                }
                Err(error) => {
                    tracing::warn!(link = self.0.name, %error, "the broker cannot be reached");
                    self.abandon(&error);
                }
            }
        }
    }

    async fn dial(&self) -> Result<Connection, lapin::Error> {
        let properties =
            ConnectionProperties::default().with_connection_name(self.0.name.as_str().into());
        Connection::connect_uri(self.0.uri.clone(), properties).await
    }

    /// Whether the broker takes nothing because it is short of memory or disk. A connection that is gone
    /// is not blocked, whatever it was before.
    pub(crate) fn is_blocked(&self) -> bool {
        self.usable()
            .is_some_and(|connection| connection.status().blocked())
    }

    fn usable(&self) -> Option<Arc<Connection>> {
        let current = self.lock();
        current
            .as_ref()
            .filter(|connection| connection.status().connected())
            .map(Arc::clone)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Connection>>> {
        self.0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
