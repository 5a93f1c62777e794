//! RabbitMQ: connections that come back by themselves, the topology, and confirmed publishing.
//!
//! Reconnecting is ours, not the client library's: its recovery gives up, retries what cannot
//! succeed, and loses the settings of consumers. So every error drops the connection and whoever
//! needs it dials again.

mod capability;
mod config;
mod depth;
pub(crate) mod headers;
mod link;
mod publisher;
mod topology;

pub use capability::Introduction;
pub use config::{BrokerConfig, BrokerConfigError};
pub use depth::{Depth, depths, queues_of};
pub use link::{Link, LinkError};
pub use publisher::{ConfirmedPublisher, InFlight, Outgoing, Receipt};
pub use topology::{TopologyError, declare, missing, spawn_check};

use contracts::topology::Publisher;

use crate::{operations::activity::Activity, sources::Sources};

/// The broker as one service sees it; clones share the connections.
///
/// Publishing and consuming have a connection each, because the broker stops reading from
/// connections that publish when it runs short of memory or disk, acknowledgements included.
#[derive(Debug, Clone)]
pub struct Broker {
    service: Publisher,
    publishing: Link,
    consuming: Link,
    activity: Activity,
}

impl Broker {
    /// Prepares the connections of `service`; they are opened when first needed.
    ///
    /// # Errors
    /// [`BrokerConfigError`] when the URL cannot be read.
    pub fn try_new(
        config: &BrokerConfig,
        service: Publisher,
        sources: &Sources,
    ) -> Result<Self, BrokerConfigError> {
        let uri = config.uri()?;
        let name = service.exchange();
        Ok(Self {
            service,
            publishing: Link::new(format!("{name} publishing"), uri.clone(), sources),
            consuming: Link::new(format!("{name} consuming"), uri, sources),
            activity: Activity::default(),
        })
    }

    /// Whose broker account this is.
    #[must_use]
    pub fn service(&self) -> Publisher {
        self.service
    }

    /// The connection for publishing.
    #[must_use]
    pub fn publishing(&self) -> &Link {
        &self.publishing
    }

    /// What the broker says of itself.
    ///
    /// # Errors
    /// [`LinkError`] when it cannot be reached.
    pub async fn introduction(&self) -> Result<Introduction, LinkError> {
        self.publishing.introduction().await
    }

    /// The connection for consuming.
    #[must_use]
    pub fn consuming(&self) -> &Link {
        &self.consuming
    }

    /// What this process does with it at this moment.
    #[must_use]
    pub fn activity(&self) -> &Activity {
        &self.activity
    }
}
