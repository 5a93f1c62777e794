//! The broker lets each account do what its service needs, and keeps what nobody reads.

use anyhow::{Context as _, Result};
use contracts::{
    tasks::TaskChanged,
    topology::{CONSUMER_QUEUES, Publisher, entrance, queues_exchange, retry_queue, unrouted},
};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ErrorKind,
    options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};

use crate::support::{broker::TestBroker, builders::task_changed, waiting::eventually};

const ACCESS_REFUSED: u16 = 403;

/// A channel that the service's own account opened, and the connection that keeps it alive.
async fn connect(broker: &TestBroker, service: Publisher) -> Result<(Connection, Channel)> {
    let connection =
        Connection::connect(&broker.url(service), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    Ok((connection, channel))
}

/// The broker's answer to publishing to `exchange`, none when it took the message.
async fn refusal(
    broker: &TestBroker,
    service: Publisher,
    exchange: &str,
    key: &str,
) -> Result<Option<u16>> {
    let (connection, channel) = connect(broker, service).await?;
    let properties = BasicProperties::default();
    let publish = channel.basic_publish(
        exchange.into(),
        key.into(),
        BasicPublishOptions::default(),
        b"{}",
        properties,
    );
    let answer = code_of(publish.await?.await.map(drop));
    connection.close(200, "done".into()).await?;
    answer
}

fn code_of(outcome: Result<(), lapin::Error>) -> Result<Option<u16>> {
    let Err(error) = outcome else { return Ok(None) };
    match error.kind() {
        ErrorKind::ProtocolError(answer) => Ok(Some(answer.get_id())),
        _ => Err(error.into()),
    }
}

#[tokio::test]
async fn a_service_publishes_to_its_own_exchange_and_to_no_other() -> Result<()> {
    let broker = TestBroker::create().await?;
    let of_owner = |owner: Publisher| {
        let names = [owner.exchange().to_owned(), entrance(owner)];
        names.map(|name| (owner, name))
    };
    for service in Publisher::ALL {
        for (owner, name) in Publisher::ALL.map(of_owner).as_flattened() {
            let expected = (service != *owner).then_some(ACCESS_REFUSED);
            let found = refusal(&broker, service, name, "test.unrouted").await?;
            assert_eq!(found, expected, "{service:?} publishes to {name}");
        }
    }
    broker.remove().await
}

#[tokio::test]
async fn a_service_reaches_no_queue_past_its_own_exchange() -> Result<()> {
    let broker = TestBroker::create().await?;
    let default_exchange = "";
    let foreign = queues_exchange(Publisher::Finance);
    for (exchange, key) in [
        (default_exchange, "finance.tasks"),
        (foreign.as_str(), "finance.tasks"),
    ] {
        let found = refusal(&broker, Publisher::Tasks, exchange, key).await?;
        assert_eq!(found, Some(ACCESS_REFUSED), "to {exchange:?}");
    }
    broker.remove().await
}

#[tokio::test]
async fn a_service_reads_only_its_own_queues_and_declares_none() -> Result<()> {
    let broker = TestBroker::create().await?;
    for queue in CONSUMER_QUEUES {
        for service in Publisher::ALL {
            let (connection, channel) = connect(&broker, service).await?;
            let read = channel
                .basic_get(queue.name.into(), BasicGetOptions::default())
                .await
                .map(drop);
            let expected = (service != queue.consumer).then_some(ACCESS_REFUSED);
            assert_eq!(code_of(read)?, expected, "{service:?} reads {}", queue.name);
            connection.close(200, "done".into()).await?;
        }
    }
    let (connection, channel) = connect(&broker, Publisher::Finance).await?;
    let declared = channel
        .queue_declare(
            "finance.new".into(),
            QueueDeclareOptions::default(),
            FieldTable::default(),
        )
        .await
        .map(drop);
    assert_eq!(code_of(declared)?, Some(ACCESS_REFUSED));
    connection.close(200, "done".into()).await?;
    broker.remove().await
}

#[tokio::test]
async fn a_message_that_nobody_reads_is_kept_where_it_is_seen() -> Result<()> {
    let broker = TestBroker::create().await?;
    broker
        .publish_bytes("tasks.unheard.of", BasicProperties::default(), b"{}")
        .await?;
    assert_eq!(broker.remaining().await?, ["tasks.unrouted: 1"]);
    let kept = broker
        .take(&unrouted(Publisher::Tasks))
        .await?
        .context("it was kept")?;
    assert_eq!(kept.routing_key.as_str(), "tasks.unheard.of");
    broker.remove().await
}

#[tokio::test]
async fn a_message_in_a_retry_queue_returns_to_its_queue_by_itself() -> Result<()> {
    let broker = TestBroker::create().await?;
    let message = task_changed();
    let retry = retry_queue("finance.tasks", 1_000);
    broker
        .publish_to_queue(Publisher::Finance, &retry, &serde_json::to_vec(&message)?)
        .await?;
    assert_eq!(broker.depth("finance.tasks").await?, 0);
    let returned = eventually("the message returned", || broker.take("finance.tasks")).await?;
    let body: TaskChanged = contracts::decode(&returned.data)?;
    assert_eq!(body, message);
    assert_eq!(broker.remaining().await?, Vec::<String>::new());
    broker.remove().await
}
