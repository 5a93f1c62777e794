//! Feeds the messages of an archive through the inbox once more (DESIGN.md section 6).
//!
//! What the inbox knows is left out, so a replay fills gaps and books nothing twice. A rebuild may apply
//! those messages again that only refresh a cache behind its guard. Messages are fed in the order of
//! the archive; the place is kept, so that a replay that was interrupted goes on where it was.

mod progress;

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

pub(crate) use self::progress::KEPT;

use self::progress::Progress;
use crate::{
    archive::{ArchiveError, ArchiveReader, Start},
    consumer::{BatchHandler, ConsumerContext, Incoming, Intake, IntakeError},
};

/// Messages in one transaction.
const BATCH: usize = 500;

/// What to replay.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct ReplayOptions {
    /// Where from: messages of the archives, or what the sources answer over REST now.
    #[arg(long, value_enum, default_value_t = Source::Archive)]
    pub source: Source,
    /// Where to begin in the archives: `first`, or a time such as 2026-11-21T10:00:00Z.
    #[arg(long, default_value_t = From::First)]
    pub from: From,
    /// Only messages under these routing keys, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Apply messages again that only refresh a cache; all others still take effect once.
    #[arg(long)]
    pub again: bool,
    /// Over REST: so many records are really gone at their source, as the alarm said, and may be marked as
    /// deleted.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub accept_deletions: u64,
}

/// Where a rebuild takes its facts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Source {
    /// The archives: every message of the last week.
    Archive,
    /// The REST interfaces: every record as it is now.
    Rest,
}

/// Where a replay begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the oldest message that is kept.
    First,
    /// With what the broker got at this time.
    Time(DateTime<Utc>),
}

impl FromStr for From {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "first" => Ok(Self::First),
            time => time.parse().map(Self::Time),
        }
    }
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("first"),
            Self::Time(time) => f.write_str(&time.to_rfc3339()),
        }
    }
}

/// Why a replay was interrupted; the same command goes on where it was.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The archive could not be read.
    #[error("the archive cannot be read")]
    Archive(#[from] ArchiveError),
    /// Messages could not be applied.
    #[error("replayed messages cannot be applied")]
    Intake(#[from] IntakeError),
    /// The place could not be kept.
    #[error("how far the replay got cannot be kept")]
    Progress(#[from] DbErr),
}

/// What a replay did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Messages read from the archive.
    pub read: usize,
    /// Those among them that were fed through the inbox.
    pub fed: usize,
}

impl ReplayOptions {
    /// The question in words, by which an interrupted replay is found again.
    fn plan(&self) -> String {
        let keys = if self.only.is_empty() {
            "all keys".to_owned()
        } else {
            self.only.join(",")
        };
        let again = if self.again { ", caches again" } else { "" };
        format!("from {}, {keys}{again}", self.from)
    }

    fn start(&self) -> Start {
        match self.from {
            From::First => Start::First,
            From::Time(time) => Start::At(time),
        }
    }
}

/// Feeds what the archive of the handler's source held at the beginning through the inbox.
///
/// The service may run meanwhile, in any number of replicas.
///
/// # Errors
/// [`ReplayError`].
pub async fn replay<H: BatchHandler>(
    context: &ConsumerContext,
    handler: H,
    options: &ReplayOptions,
) -> Result<Replayed, ReplayError> {
    let queue = handler.queue();
    let mut intake = Intake::new(context.clone(), handler);
    if options.again {
        intake = intake.refreshing();
    }
    let mut progress = Progress::find(context, queue.name, options.plan()).await?;
    let start = progress
        .next_offset()
        .map_or(options.start(), Start::Offset);
    let link = context.broker.consuming();
    let mut archive = ArchiveReader::open(link, queue.source, start).await?;
    let is_wanted = |message: &Incoming| {
        let key = &message.routing_key;
        queue.takes(key) && (options.only.is_empty() || options.only.contains(key))
    };
    let mut replayed = Replayed::default();
    while let Some(batch) = archive.next(BATCH).await? {
        let last = batch.last().map(|read| read.offset);
        replayed.read += batch.len();
        let messages = batch.into_iter().map(|read| read.message);
        let messages: Vec<Incoming> = messages.filter(is_wanted).collect();
        intake.apply(&messages).await?;
        replayed.fed += messages.len();
        if let Some(last) = last {
            progress.reached(last + 1).await?;
        }
    }
    progress.finish().await?;
    Ok(replayed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_begins_with_the_first_message_or_at_a_time() {
        assert_eq!("first".parse::<From>().unwrap(), From::First);
        let time = "2026-11-21T10:00:00Z".parse::<From>().unwrap();
        assert_eq!(time.to_string(), "2026-11-21T10:00:00+00:00");
        "yesterday".parse::<From>().unwrap_err();
    }

    #[test]
    fn another_question_is_another_replay() {
        let plain = ReplayOptions {
            source: Source::Archive,
            from: From::First,
            only: Vec::new(),
            again: false,
            accept_deletions: 0,
        };
        let again = ReplayOptions {
            again: true,
            ..plain.clone()
        };
        assert_ne!(plain.plan(), again.plan());
    }
}
