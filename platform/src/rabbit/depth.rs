//! How full queues are, asked over AMQP: no plugin and no further account is needed.

use contracts::topology::{self, CONSUMER_QUEUES, Publisher};
use lapin::{Channel, options::QueueDeclareOptions, types::FieldTable};

use super::{Broker, LinkError};

/// One queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    /// Its name.
    pub queue: String,
    /// Messages ready to be delivered; those handed out and not yet acknowledged do not count.
    pub messages: u32,
    /// Consumers of all replicas.
    pub consumers: u32,
}

/// The queues that a service should keep an eye on: what it consumes, with the retry queues and the
/// dead letters, and what it published and nobody took.
#[must_use]
pub fn queues_of(service: Publisher) -> Vec<String> {
    let mut names = vec![topology::unrouted(service)];
    let consumed = CONSUMER_QUEUES.into_iter();
    for queue in consumed.filter(|queue| queue.consumer == service) {
        names.push(queue.name.to_owned());
        names.push(topology::dead_queue(queue.name));
        let delays = topology::RETRY_DELAYS_MS.into_iter();
        names.extend(delays.map(|delay_ms| topology::retry_queue(queue.name, delay_ms)));
    }
    names
}

/// How full the queues of the broker's service are; queues that are missing are left out.
///
/// # Errors
/// [`LinkError`] when the broker does not answer in time.
pub async fn depths(broker: &Broker) -> Result<Vec<Depth>, LinkError> {
    let link = broker.consuming();
    let mut channel = link.channel_soon().await?;
    let mut depths = Vec::new();
    for name in queues_of(broker.service()) {
        match link.step(ask(&channel, &name)).await {
            Ok(depth) => depths.push(depth),
            Err(LinkError::Broker(error)) => {
                tracing::debug!(queue = name, %error, "the depth of a queue is not known");
                // The broker closes the channel on which a missing queue was asked for.
                channel = link.channel_soon().await?;
            }
            Err(silent) => return Err(silent),
        }
    }
    drop(link.step(channel.close(200, "done".into())).await);
    Ok(depths)
}

async fn ask(channel: &Channel, name: &str) -> Result<Depth, lapin::Error> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let queue = channel
        .queue_declare(name.into(), options, FieldTable::default())
        .await?;
    Ok(Depth {
        queue: name.to_owned(),
        messages: queue.message_count(),
        consumers: queue.consumer_count(),
    })
}
