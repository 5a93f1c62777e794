//! Every message is in the archive of its publisher, and the archive is in nobody's way.

use anyhow::{Context as _, Result};
use contracts::{
    Message as _,
    tasks::TaskChanged,
    topology::{CONSUMER_QUEUES, ConsumerQueue, FINANCE_TASKS, Publisher, archive, unrouted},
};
use futures::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable},
};

use crate::support::{broker::TestBroker, builders::task_changed};

async fn connect(broker: &TestBroker, service: Publisher) -> Result<(Connection, Channel)> {
    let url = broker.url(service);
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(10, BasicQosOptions::default()).await?;
    Ok((connection, channel))
}

async fn consume(channel: &Channel, publisher: Publisher) -> Result<Consumer, lapin::Error> {
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-stream-offset".into(),
        AMQPValue::LongString("first".into()),
    );
    let (archive, options) = (archive(publisher), BasicConsumeOptions::default());
    channel
        .basic_consume(archive.into(), "".into(), options, arguments)
        .await
}

/// The first `most` messages in the archive of `publisher`, as `reader` gets them.
async fn archived(
    broker: &TestBroker,
    reader: Publisher,
    publisher: Publisher,
    most: usize,
) -> Result<Vec<Delivery>> {
    let (connection, channel) = connect(broker, reader).await?;
    let mut consumer = consume(&channel, publisher).await?;
    let mut found = Vec::new();
    while found.len() < most {
        let delivery = consumer.next().await.context("the archive goes on")??;
        delivery.acker.ack(BasicAckOptions::default()).await?;
        found.push(delivery);
    }
    connection.close(200, "done".into()).await?;
    Ok(found)
}

#[tokio::test]
async fn a_message_reaches_its_readers_and_the_archive() -> Result<()> {
    let broker = TestBroker::create().await?;
    let message = task_changed();
    broker.publish(&message).await?;
    assert_eq!(broker.remaining().await?, ["finance.tasks: 1"]);
    let kept = archived(&broker, Publisher::Finance, Publisher::Tasks, 1).await?;
    assert_eq!(kept[0].routing_key.as_str(), TaskChanged::KEY);
    assert_eq!(contracts::decode::<TaskChanged>(&kept[0].data)?, message);
    let delivered = broker.take(FINANCE_TASKS.name).await?;
    let delivered = delivered.context("the reader got it")?;
    assert_eq!(
        delivered.properties.message_id(),
        kept[0].properties.message_id()
    );
    broker.remove().await
}

#[tokio::test]
async fn a_message_that_nobody_reads_is_in_the_archive_and_where_it_is_seen() -> Result<()> {
    let broker = TestBroker::create().await?;
    let key = "tasks.unheard.of";
    broker
        .publish_bytes(key, BasicProperties::default(), b"{}")
        .await?;
    let kept = archived(&broker, Publisher::Finance, Publisher::Tasks, 1).await?;
    assert_eq!(kept[0].routing_key.as_str(), key);
    let seen = broker.take(&unrouted(Publisher::Tasks)).await?;
    assert_eq!(
        seen.context("it is seen")?.delivery.routing_key.as_str(),
        key
    );
    broker.remove().await
}

#[tokio::test]
async fn reading_an_archive_takes_nothing_out_of_it() -> Result<()> {
    let broker = TestBroker::create().await?;
    for _ in 0..5 {
        broker.publish(&task_changed()).await?;
    }
    let first = archived(&broker, Publisher::Finance, Publisher::Tasks, 5).await?;
    let again = archived(&broker, Publisher::Finance, Publisher::Tasks, 5).await?;
    let bodies = |read: &[Delivery]| read.iter().map(|d| d.data.clone()).collect::<Vec<_>>();
    assert_eq!(bodies(&first), bodies(&again));
    broker.remove().await
}

#[tokio::test]
async fn a_service_reads_the_archives_of_those_it_listens_to_and_of_nobody_else() -> Result<()> {
    let broker = TestBroker::create().await?;
    for publisher in Publisher::ALL {
        for service in Publisher::ALL {
            let (connection, channel) = connect(&broker, service).await?;
            let consumer = consume(&channel, publisher).await;
            let listens =
                |queue: &ConsumerQueue| queue.consumer == service && queue.source == publisher;
            let expected = CONSUMER_QUEUES.iter().any(listens);
            assert_eq!(
                consumer.is_ok(),
                expected,
                "{service:?} reads {publisher:?}"
            );
            connection.close(200, "done".into()).await?;
        }
    }
    broker.remove().await
}
