//! A reader gets what an archive held when the reading began: all of it, in order, and nothing else.

use std::ops::Range;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Message as _, tasks::TaskChanged, topology::Publisher};
use futures::future::try_join_all;
use lapin::BasicProperties;
use platform::{
    archive::{ArchiveReader, Start},
    rabbit::Broker,
    sources::Sources,
};

use crate::support::{broker::TestBroker, builders::now, waiting::eventually};

/// Far fewer than a chunk may hold.
const FEW: i64 = 3;

/// What the broker sends ahead; the ends of chunks are tried around it.
const PREFETCH: i64 = 2_000;

/// The archive of the task board, as Finance reads it.
struct Archive {
    broker: TestBroker,
    reader: Broker,
}

impl Archive {
    async fn create() -> Result<Self> {
        let broker = TestBroker::create().await?;
        let reader = broker.of(Publisher::Finance, &Sources::system())?;
        Ok(Self { broker, reader })
    }

    /// Keeps more messages, written together; each is its number.
    async fn keep(&self, numbers: Range<i64>) -> Result<()> {
        let publish = async |number: i64| {
            let (none, body) = (BasicProperties::default(), format!("{number:0100}"));
            let (key, body) = (TaskChanged::KEY, body.as_bytes());
            self.broker.publish_bytes(key, none, body).await
        };
        try_join_all(numbers.map(publish)).await.map(drop)
    }

    async fn open(&self, start: Start) -> Result<ArchiveReader> {
        let link = self.reader.consuming();
        Ok(ArchiveReader::open(link, Publisher::Tasks, start).await?)
    }

    /// The numbers of all messages from `start` on.
    async fn read(&self, start: Start) -> Result<Vec<i64>> {
        numbers(self.open(start).await?).await
    }

    /// The first of the numbers from `start` on, which go up to `end` without a gap.
    async fn first(&self, start: Start, end: i64) -> Result<i64> {
        let read = self.read(start).await?;
        let first = read.first().copied().unwrap_or(end);
        assert_eq!(read, all(first..end));
        Ok(first)
    }
}

async fn numbers(mut reader: ArchiveReader) -> Result<Vec<i64>> {
    let mut numbers = Vec::new();
    while let Some(batch) = reader.next(500).await? {
        for read in batch {
            numbers.push(str::from_utf8(&read.message.body)?.parse()?);
        }
    }
    Ok(numbers)
}

fn all(range: Range<i64>) -> Vec<i64> {
    range.collect()
}

#[tokio::test]
async fn an_empty_archive_has_nothing_to_read() -> Result<()> {
    let archive = Archive::create().await?;
    assert_eq!(archive.read(Start::First).await?, all(0..0));
    assert_eq!(archive.read(Start::Offset(5)).await?, all(0..0));
    archive.broker.remove().await
}

#[tokio::test]
async fn the_end_is_found_wherever_it_stands() -> Result<()> {
    let archive = Archive::create().await?;
    let mut kept = 0;
    for count in [
        1,
        1,
        7,
        PREFETCH - 1,
        PREFETCH,
        PREFETCH + 1,
        3 * PREFETCH,
        1,
    ] {
        archive.keep(kept..kept + count).await?;
        kept += count;
        assert_eq!(
            archive.read(Start::First).await?,
            all(0..kept),
            "{count} more"
        );
    }
    archive.broker.remove().await
}

#[tokio::test]
async fn what_comes_while_an_archive_is_read_is_left_to_those_who_read_its_queue() -> Result<()> {
    let archive = Archive::create().await?;
    archive.keep(0..FEW).await?;
    let reader = archive.open(Start::First).await?;
    archive.keep(FEW..2 * FEW).await?;
    assert_eq!(numbers(reader).await?, all(0..FEW));
    // The same while a publisher does not pause.
    let busy = archive.keep(2 * FEW..4 * PREFETCH);
    let (kept, read) = tokio::join!(busy, archive.read(Start::First));
    kept?;
    let read = read?;
    assert!(read.len() >= 6, "{} read", read.len());
    assert_eq!(read, all(0..i64::try_from(read.len())?));
    archive.broker.remove().await
}

#[tokio::test]
async fn reading_begins_at_any_place_within_a_chunk_and_past_the_end() -> Result<()> {
    let archive = Archive::create().await?;
    archive.keep(0..PREFETCH).await?;
    for first in [0, 1, 700, PREFETCH - 1] {
        let read = archive.read(Start::Offset(first)).await?;
        assert_eq!(read, all(first..PREFETCH));
    }
    assert_eq!(archive.read(Start::Offset(PREFETCH)).await?, all(0..0));
    archive.broker.remove().await
}

#[tokio::test]
async fn reading_begins_at_any_time_and_in_the_future() -> Result<()> {
    let archive = Archive::create().await?;
    archive.keep(0..FEW).await?;
    let before: DateTime<Utc> = now() - TimeDelta::hours(1);
    assert_eq!(archive.read(Start::At(before)).await?, all(0..FEW));
    let later = now() + TimeDelta::hours(1);
    assert_eq!(archive.read(Start::At(later)).await?, all(0..0));
    archive.broker.remove().await
}

#[tokio::test]
async fn an_archive_that_has_forgotten_its_beginning_is_read_from_what_it_keeps() -> Result<()> {
    let archive = Archive::create().await?;
    archive
        .broker
        .shorten_archive(Publisher::Tasks, 100_000)
        .await?;
    let mut kept = 0;
    eventually("the archive forgets", || {
        let more = kept..kept + 200;
        kept = more.end;
        let archive = &archive;
        async move {
            archive.keep(more.clone()).await?;
            let first = archive.first(Start::Offset(0), more.end).await?;
            // The broker may have removed more by now, but the last messages are kept.
            let later = archive.first(Start::First, more.end).await?;
            assert!((first..=more.start).contains(&later), "{later}");
            Ok((first > 0).then_some(()))
        }
    })
    .await?;
    archive.broker.remove().await
}
