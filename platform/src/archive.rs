//! Reads the archive of a publisher: the stream that keeps every message for a week.
//!
//! Reading takes nothing out, so any number of readers may do it at once.

use std::{fmt, future::Future, time::Duration};

use chrono::{DateTime, Utc};
use contracts::topology::{self, Publisher};
use futures::{FutureExt as _, StreamExt as _};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::timeout;

use crate::{
    consumer::Incoming,
    rabbit::{Link, LinkError, headers::number},
};

/// The most messages that the broker sends ahead.
const PREFETCH: u16 = 2_000;

/// How long the broker may take to send the next message. An archive that is silent for as long at the
/// beginning holds nothing from there on.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the broker tells a message's place in the stream.
const OFFSET: &str = "x-stream-offset";

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the oldest message that is kept.
    First,
    /// With messages that reached the broker at this time; a few older ones may come as well.
    At(DateTime<Utc>),
    /// With this place in the stream.
    Offset(i64),
}

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The broker failed.
    #[error("the broker failed")]
    Broker(#[from] LinkError),
    /// The broker ended the reading.
    #[error("the broker ended the reading of the archive")]
    Ended,
    /// A message came without its place.
    #[error("the broker does not tell the place of a message")]
    NoPlace,
    /// Nothing came although the end is not reached.
    #[error("the archive fell silent before its end")]
    Silent,
}

/// A message and its place in the stream.
#[derive(Debug)]
pub struct Archived {
    /// The place, growing.
    pub offset: i64,
    /// The message.
    pub message: Incoming,
}

/// Reads what an archive held when the reading began.
pub struct ArchiveReader {
    stream: Stream,
    /// The last place to read; absent when nothing is left to read.
    end: Option<i64>,
    /// Whether silence is a failure; nothing may be as young as the time that was asked for.
    must_go_on: bool,
}

impl fmt::Debug for ArchiveReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveReader")
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl ArchiveReader {
    /// Opens the archive of `publisher`, however long it takes until the broker is there.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn open(
        link: &Link,
        publisher: Publisher,
        start: Start,
    ) -> Result<Self, ArchiveError> {
        let mut last = Stream::open(link, publisher, text("last")).await?;
        let end = last.find_end().await?;
        last.close().await;
        let (offset, first) = match start {
            Start::First => (text("first"), 0),
            Start::At(at) => {
                let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
                (AMQPValue::Timestamp(seconds), 0)
            }
            Start::Offset(offset) => (AMQPValue::LongLongInt(offset), offset),
        };
        Ok(Self {
            stream: Stream::open(link, publisher, offset).await?,
            end: end.filter(|end| *end >= first),
            must_go_on: !matches!(start, Start::At(_)),
        })
    }

    /// The next messages, up to `most`, in order; none when everything was read.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn next(&mut self, most: usize) -> Result<Option<Vec<Archived>>, ArchiveError> {
        let mut batch = Vec::new();
        let mut tag = None;
        while batch.len() < most
            && let Some(end) = self.end
            && let Some(delivery) = self.delivery().await?
        {
            tag = Some(delivery.delivery_tag);
            let offset = offset_of(&delivery)?;
            if offset >= end {
                self.end = None;
            }
            // What came after the reading began may stand where the last place was truncated away.
            if offset <= end {
                // From no exchange of the reader's own: what says that it is a retry is not believed.
                let message = Incoming::of_delivery(delivery, "");
                batch.push(Archived { offset, message });
            }
        }
        if let Some(tag) = tag {
            self.stream.acknowledge(tag).await?;
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    /// The next delivery; none when everything is older than the time that was asked for.
    async fn delivery(&mut self) -> Result<Option<Delivery>, ArchiveError> {
        match timeout(PATIENCE, self.stream.consumer.next()).await {
            Ok(next) => {
                self.must_go_on = true;
                arrived(next).map(Some)
            }
            Err(_elapsed) if self.must_go_on => Err(ArchiveError::Silent),
            Err(_elapsed) => {
                self.end = None;
                Ok(None)
            }
        }
    }
}

/// A consumer of a stream; acknowledging only tells the broker to send more.
struct Stream {
    link: Link,
    channel: Channel,
    consumer: Consumer,
}

impl Stream {
    async fn open(link: &Link, publisher: Publisher, offset: AMQPValue) -> Result<Self, LinkError> {
        let channel = link.channel().await;
        link.step(limit(&channel)).await?;
        let mut arguments = FieldTable::default();
        arguments.insert(OFFSET.into(), offset);
        let archive = topology::archive(publisher);
        let options = BasicConsumeOptions::default();
        let subscribe =
            channel.basic_consume(archive.as_str().into(), "".into(), options, arguments);
        let consumer = link.step(subscribe).await?;
        Ok(Self {
            link: link.clone(),
            channel,
            consumer,
        })
    }

    /// The place of the last message, of a stream that was opened at its last chunk; none in an empty archive.
    ///
    /// The broker says nowhere where a stream ends. But on an acknowledgement it sends what there is, up to
    /// the prefetch, before it looks at anything else on the channel (`rabbit_stream_queue:settle`). So
    /// once it has answered a later question, whatever fell short of the prefetch ended at the end.
    async fn find_end(&mut self) -> Result<Option<i64>, ArchiveError> {
        let Ok(first) = timeout(PATIENCE, self.consumer.next()).await else {
            return Ok(None);
        };
        let mut last = arrived(first)?;
        loop {
            self.acknowledge(last.delivery_tag).await?;
            self.link.step(limit(&self.channel)).await?;
            let mut came = 0;
            while let Some(next) = self.consumer.next().now_or_never() {
                last = arrived(next)?;
                came += 1;
            }
            if came < PREFETCH {
                return offset_of(&last).map(Some);
            }
        }
    }

    async fn acknowledge(&self, tag: u64) -> Result<(), LinkError> {
        let options = BasicAckOptions { multiple: true };
        self.link.step(self.channel.basic_ack(tag, options)).await
    }

    async fn close(self) {
        let closing = self.channel.close(200, "done".into());
        if let Err(error) = self.link.step(closing).await {
            tracing::debug!(%error, "a channel was gone before it was closed");
        }
    }
}

/// Limits what the broker sends ahead to the consumers that follow; any channel may be asked for it again.
fn limit(channel: &Channel) -> impl Future<Output = Result<(), lapin::Error>> {
    channel.basic_qos(PREFETCH, BasicQosOptions::default())
}

fn text(word: &str) -> AMQPValue {
    AMQPValue::LongString(word.into())
}

fn arrived(next: Option<Result<Delivery, lapin::Error>>) -> Result<Delivery, ArchiveError> {
    let delivery = next.ok_or(ArchiveError::Ended)?;
    Ok(delivery.map_err(LinkError::from)?)
}

fn offset_of(delivery: &Delivery) -> Result<i64, ArchiveError> {
    let headers = delivery.properties.headers().as_ref();
    headers
        .and_then(|headers| number(headers, OFFSET))
        .ok_or(ArchiveError::NoPlace)
}
