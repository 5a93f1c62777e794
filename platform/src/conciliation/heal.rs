//! Feeds missing messages from the archive through the inbox.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Compared, ConciliationError};
use crate::{
    archive::{ArchiveReader, Start},
    consumer::{BatchHandler, Incoming, Intake},
    rabbit::Link,
};

/// How far the clocks of a sender and of the broker may differ.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// Messages in one transaction.
const BATCH: usize = 500;

/// What became of missing messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Healed {
    /// How many were found in the archive and fed through the inbox.
    pub fed: usize,
    /// Those that the archive does not hold, any more or at all.
    pub lost: Vec<Uuid>,
}

/// Looks for what is missing in the archive of the queue's sender and applies it.
///
/// A message that has arrived meanwhile is left out by the inbox.
///
/// # Errors
/// [`ConciliationError`]; healing again goes on with what is still missing.
pub async fn heal<H: BatchHandler>(
    link: &Link,
    intake: &mut Intake<H>,
    compared: &[Compared],
) -> Result<Healed, ConciliationError> {
    let mut wanted: HashSet<Uuid> = compared.iter().flat_map(|c| &c.missing).copied().collect();
    let mut healed = Healed::default();
    let Some(since) = earliest(compared) else {
        return Ok(healed);
    };
    let start = Start::At(since - SKEW);
    let mut archive = ArchiveReader::open(link, intake.queue().source, start).await?;
    while !wanted.is_empty()
        && let Some(batch) = archive.next(BATCH).await?
    {
        let mut messages: Vec<Incoming> = batch.into_iter().map(|read| read.message).collect();
        messages.retain(|message| message.message_id.is_some_and(|id| wanted.remove(&id)));
        healed.fed += messages.len();
        intake.apply(&messages).await?;
    }
    healed.lost = wanted.into_iter().collect();
    healed.lost.sort_unstable();
    Ok(healed)
}

/// The beginning of the first hour with something missing.
fn earliest(compared: &[Compared]) -> Option<DateTime<Utc>> {
    let missing = compared
        .iter()
        .filter(|compared| !compared.missing.is_empty());
    missing.map(|compared| compared.line.hour).min()
}
