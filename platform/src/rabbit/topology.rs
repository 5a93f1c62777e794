//! Declares exchanges and queues (`migrate`) and checks that they are there (`serve`).

use std::time::Duration;

use contracts::topology::{self, Argument, CONSUMER_QUEUES, ExchangeKind};
use lapin::{
    Channel, Connection, ConnectionProperties, ErrorKind,
    options::{ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
    uri::AMQPUri,
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Broker, BrokerConfig, BrokerConfigError, LinkError, capability::Introduction, depth::queues_of,
};
use crate::lifecycle::Lifecycle;

/// The pause between two looks for a topology that is not there yet.
const PAUSE: Duration = Duration::from_secs(5);

/// The pause between two attempts while the broker starts its queues.
const RECOVERY_PAUSE: Duration = Duration::from_millis(500);

/// What the broker answers about what it does not have or may not show (AMQP 0-9-1 section 1.2).
const NOT_FOUND: u16 = 404;
const ACCESS_REFUSED: u16 = 403;

/// How long declaring everything may take.
const LIMIT: Duration = Duration::from_mins(1);

/// Why the topology could not be declared.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// The settings lack what is needed.
    #[error(transparent)]
    Config(#[from] BrokerConfigError),
    /// The broker cannot be reached with the set-up account.
    #[error("the broker cannot be reached with the set-up account")]
    Connect(#[source] lapin::Error),
    /// The broker will not do, in words.
    #[error("the broker will not do: {0}")]
    Unfit(String),
    /// One declaration was refused, for example because it exists with other arguments.
    #[error("{what} cannot be declared")]
    Refused {
        /// What was being declared.
        what: String,
        /// The broker's answer.
        #[source]
        cause: lapin::Error,
    },
    /// The broker stopped answering.
    #[error("declaring the topology took longer than {} seconds", LIMIT.as_secs())]
    TimedOut,
}

impl TopologyError {
    /// Whether a queue is there and its process is not yet: RabbitMQ lets clients in before it has started all
    /// queues, streams last, and says of those that their home is not to be found.
    fn is_recovery(&self) -> bool {
        matches!(self, Self::Refused { cause, .. } if reply_code(cause) == Some(NOT_FOUND))
    }
}

/// Declares every exchange, queue and binding of the product; doing it again changes nothing.
///
/// # Errors
/// [`TopologyError`] names the declaration that was refused.
pub async fn declare(config: &BrokerConfig) -> Result<(), TopologyError> {
    let uri = config.setup_uri()?;
    let work = async {
        check(&uri).await?;
        loop {
            match declare_all(&uri).await {
                Err(error) if error.is_recovery() => {
                    tracing::info!(%error, "the broker is not through with its start yet");
                    sleep(RECOVERY_PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    };
    timeout(LIMIT, work)
        .await
        .unwrap_or(Err(TopologyError::TimedOut))
}

async fn declare_all(uri: &AMQPUri) -> Result<(), TopologyError> {
    let properties = ConnectionProperties::default().with_connection_name("migrate".into());
    let connection = Connection::connect_uri(uri.clone(), properties)
        .await
        .map_err(TopologyError::Connect)?;
    let channel = connection
        .create_channel()
        .await
        .map_err(TopologyError::Connect)?;
    declare_exchanges(&channel).await?;
    declare_queues(&channel).await?;
    connection
        .close(200, "done".into())
        .await
        .map_err(TopologyError::Connect)
}

/// Refuses a broker that lacks what the product needs, or that would misread a declaration.
async fn check(uri: &AMQPUri) -> Result<(), TopologyError> {
    let broker = Box::pin(Introduction::of(uri)).await;
    let broker = broker.map_err(TopologyError::Connect)?;
    let misread = topology::queues()
        .iter()
        .find_map(|queue| broker.misreads(queue));
    let unfit: Vec<String> = broker.lacks().into_iter().chain(misread).collect();
    if unfit.is_empty() {
        Ok(())
    } else {
        Err(TopologyError::Unfit(unfit.join("; ")))
    }
}

async fn declare_exchanges(channel: &Channel) -> Result<(), TopologyError> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    for exchange in topology::exchanges() {
        let mut arguments = FieldTable::default();
        if let Some(alternate) = exchange.alternate {
            insert_text(&mut arguments, "alternate-exchange", &alternate);
        }
        let kind = match exchange.kind {
            ExchangeKind::Topic => lapin::ExchangeKind::Topic,
            ExchangeKind::Direct => lapin::ExchangeKind::Direct,
            ExchangeKind::Fanout => lapin::ExchangeKind::Fanout,
        };
        channel
            .exchange_declare(exchange.name.as_str().into(), kind, options, arguments)
            .await
            .map_err(refused(format!("exchange {}", exchange.name)))?;
        if let Some(source) = exchange.feeds_from {
            channel
                .exchange_bind(
                    exchange.name.as_str().into(),
                    source.as_str().into(),
                    "".into(),
                    ExchangeBindOptions::default(),
                    FieldTable::default(),
                )
                .await
                .map_err(refused(format!("binding of {} to {source}", exchange.name)))?;
        }
    }
    Ok(())
}

async fn declare_queues(channel: &Channel) -> Result<(), TopologyError> {
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    for queue in topology::queues() {
        let arguments = arguments_of(&queue);
        channel
            .queue_declare(queue.name.as_str().into(), options, arguments)
            .await
            .map_err(refused(format!("queue {}", queue.name)))?;
        for (exchange, key) in queue.bindings {
            channel
                .queue_bind(
                    queue.name.as_str().into(),
                    exchange.as_str().into(),
                    key.as_str().into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await
                .map_err(refused(format!("binding of {} to {exchange}", queue.name)))?;
        }
    }
    Ok(())
}

fn arguments_of(queue: &topology::Queue) -> FieldTable {
    let mut arguments = FieldTable::default();
    for (name, value) in &queue.arguments {
        match value {
            Argument::Int(number) => {
                arguments.insert((*name).into(), AMQPValue::LongLongInt(*number));
            }
            Argument::Text(text) => insert_text(&mut arguments, name, text),
        }
    }
    if let Some((exchange, key)) = &queue.dead_letter {
        insert_text(&mut arguments, "x-dead-letter-exchange", exchange);
        insert_text(&mut arguments, "x-dead-letter-routing-key", key);
    }
    arguments
}

fn insert_text(arguments: &mut FieldTable, name: &str, text: &str) {
    arguments.insert(name.into(), AMQPValue::LongString(text.into()));
}

fn refused(what: String) -> impl FnOnce(lapin::Error) -> TopologyError {
    move |cause| TopologyError::Refused { what, cause }
}

/// What the service of `broker` needs and does not find, one sentence each; arguments are not compared.
///
/// # Errors
/// [`LinkError`] when the broker cannot be asked.
pub async fn missing(broker: &Broker) -> Result<Vec<String>, LinkError> {
    let service = broker.service();
    let mut exchanges = vec![
        service.exchange().to_owned(),
        topology::entrance(service),
        topology::unrouted(service),
    ];
    let mut queues = queues_of(service);
    let consumed = CONSUMER_QUEUES.into_iter();
    let read: Vec<_> = consumed
        .filter(|queue| queue.consumer == service)
        .map(|queue| topology::archive(queue.source))
        .collect();
    if !read.is_empty() {
        exchanges.push(topology::queues_exchange(service));
    }
    queues.extend(read);
    let mut missing = Vec::new();
    for name in exchanges {
        missing.extend(look(broker, Kind::Exchange, &name).await?);
    }
    for name in queues {
        missing.extend(look(broker, Kind::Queue, &name).await?);
    }
    Ok(missing)
}

/// Looks at start whether the broker will do and whether what `migrate` declares is there, and says
/// in the log what is missing until it is.
pub fn spawn_check(lifecycle: &Lifecycle, broker: &Broker) {
    let (broker, stopping) = (broker.clone(), lifecycle.stopping());
    drop(lifecycle.spawn_short(async move { await_topology(&broker, &stopping).await }));
}

/// Waits until the service finds its exchanges and queues, saying in the log what it misses.
async fn await_topology(broker: &Broker, stopping: &CancellationToken) {
    let work = async {
        loop {
            match look_over(broker).await {
                Ok((lacks, _)) if !lacks.is_empty() => tracing::error!(
                    lacks = lacks.join("; "),
                    "the broker will not do; looking again in {} s",
                    PAUSE.as_secs()
                ),
                Ok((_, missing)) if missing.is_empty() => return,
                Ok((_, missing)) => tracing::error!(
                    missing = missing.join("; "),
                    "the broker lacks what `migrate` declares; looking again in {} s",
                    PAUSE.as_secs()
                ),
                Err(error) => tracing::warn!(%error, "the broker's topology cannot be checked"),
            }
            sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = stopping.cancelled() => {}
    }
}

/// What the broker itself lacks, and what is not declared there.
async fn look_over(broker: &Broker) -> Result<(Vec<String>, Vec<String>), LinkError> {
    let lacks = broker.introduction().await?.lacks();
    Ok((lacks, missing(broker).await?))
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Exchange,
    Queue,
}

/// Asks on a channel of its own, because the broker closes the channel when the answer is no.
async fn look(broker: &Broker, kind: Kind, name: &str) -> Result<Option<String>, LinkError> {
    let link = broker.consuming();
    let channel = link.channel().await;
    let outcome = match kind {
        Kind::Exchange => link.step(exchange_exists(&channel, name)).await,
        Kind::Queue => link.step(queue_exists(&channel, name)).await,
    };
    let Err(error) = outcome else {
        drop(link.step(channel.close(200, "done".into())).await);
        return Ok(None);
    };
    let what = match kind {
        Kind::Exchange => "exchange",
        Kind::Queue => "queue",
    };
    let LinkError::Broker(cause) = &error else {
        return Err(error);
    };
    match reply_code(cause) {
        Some(NOT_FOUND) => Ok(Some(format!("there is no {what} {name}"))),
        Some(ACCESS_REFUSED) => Ok(Some(format!(
            "the broker account may not use {what} {name}"
        ))),
        _ => Err(error),
    }
}

async fn exchange_exists(channel: &Channel, name: &str) -> Result<(), lapin::Error> {
    let options = ExchangeDeclareOptions {
        passive: true,
        ..ExchangeDeclareOptions::default()
    };
    let kind = lapin::ExchangeKind::Topic;
    channel
        .exchange_declare(name.into(), kind, options, FieldTable::default())
        .await
}

async fn queue_exists(channel: &Channel, name: &str) -> Result<(), lapin::Error> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(name.into(), options, FieldTable::default())
        .await
        .map(drop)
}

fn reply_code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(answer) => Some(answer.get_id()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sent_as_signed_64_bit_because_a_difference_is_refused() {
        let queue = topology::queues()
            .into_iter()
            .find(|queue| queue.name == "finance.tasks")
            .unwrap();
        let arguments = arguments_of(&queue);
        let limit = arguments.inner().get("x-delivery-limit");
        assert_eq!(limit, Some(&AMQPValue::LongLongInt(20)));
        let target = arguments.inner().get("x-dead-letter-routing-key");
        let expected = AMQPValue::LongString("finance.tasks.dead".into());
        assert_eq!(target, Some(&expected));
    }
}
