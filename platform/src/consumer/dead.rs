//! Drains the dead-letter queue of a queue into the parked messages.
//!
//! People look at messages in the database, not in the broker, where every look counts as a delivery.

use contracts::topology::ConsumerQueue;
use lapin::types::{AMQPValue, FieldTable};
use sea_orm::TransactionTrait;
use tokio_util::sync::CancellationToken;

use super::{
    ConsumerContext, HandlerError, Incoming,
    patience::{Patience, in_time},
    seen::{Outcome, count},
    worker::{Interrupted, Process},
};
use crate::{
    inbox::{self, Entry, Seen},
    parked::{self, NewParked, ParkKind},
    rabbit::headers::{ORIGIN_KEY, text},
};

/// Parks every message it is given.
#[derive(Debug)]
pub(super) struct DeadProcessor {
    context: ConsumerContext,
    queue: ConsumerQueue,
    stopping: CancellationToken,
}

impl DeadProcessor {
    pub(super) fn new(
        context: ConsumerContext,
        queue: ConsumerQueue,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            context,
            queue,
            stopping,
        }
    }

    fn to_parked(&self, message: &Incoming) -> NewParked {
        let headers = message.properties.headers().as_ref();
        let reason = headers.and_then(death_reason).map_or_else(
            || "the broker gave up on it".to_owned(),
            |reason| format!("the broker gave up on it: {reason}"),
        );
        let id = self.context.sources.new_id();
        let mut row = message.to_parked(id, self.queue.name, ParkKind::DeadLettered, reason);
        if let Some(key) = headers.and_then(first_key) {
            row.routing_key = key;
        }
        row
    }

    /// Parks messages and tells the inbox of those that it does not know.
    async fn park<'a>(
        &self,
        batch: &[Incoming],
        rows: &'a [NewParked],
    ) -> Result<(), HandlerError> {
        let (queue, now) = (self.queue.name, self.context.sources.now());
        let entry = |(message, row): (&Incoming, &'a NewParked)| {
            Some(Entry {
                message_id: message.message_id?,
                routing_key: &row.routing_key,
                digest: message.digest,
            })
        };
        let entries: Vec<_> = batch.iter().zip(rows).filter_map(entry).collect();
        let txn = self.context.db.begin().await?;
        let seen = inbox::register(&txn, queue, &entries, now).await?;
        let ids = entries
            .iter()
            .map(|entry| (entry.message_id, inbox::Outcome::Parked));
        let fresh = ids.zip(seen).filter(|(_, seen)| *seen == Seen::Fresh);
        let corrections: Vec<_> = fresh.map(|(correction, _)| correction).collect();
        inbox::correct(&txn, queue, &corrections).await?;
        parked::park(&txn, rows, now).await?;
        Ok(txn.commit().await?)
    }
}

impl Process for DeadProcessor {
    async fn process(&mut self, batch: &[Incoming]) -> Result<(), Interrupted> {
        let rows: Vec<NewParked> = batch
            .iter()
            .map(|message| self.to_parked(message))
            .collect();
        let mut patience = Patience::new(&self.context, self.stopping.clone());
        while let Err(error) = in_time(self.park(batch, &rows)).await {
            patience.pause(&error).await?;
        }
        count(self.queue.name, Outcome::Parked, rows.len());
        tracing::warn!(
            queue = self.queue.name,
            messages = rows.len(),
            "messages that the broker gave up on are parked"
        );
        Ok(())
    }
}

/// `delivery_limit`, `rejected` or `expired`, of the newest death.
fn death_reason(headers: &FieldTable) -> Option<String> {
    newest_death(headers).and_then(|death| text(death, "reason"))
}

/// The key before the broker replaced it by the name of the dead-letter queue.
fn first_key(headers: &FieldTable) -> Option<String> {
    text(headers, ORIGIN_KEY).or_else(|| {
        let AMQPValue::FieldArray(keys) = newest_death(headers)?.inner().get("routing-keys")?
        else {
            return None;
        };
        match keys.as_slice().first()? {
            AMQPValue::LongString(key) => {
                Some(String::from_utf8_lossy(key.as_bytes()).into_owned())
            }
            _ => None,
        }
    })
}

fn newest_death(headers: &FieldTable) -> Option<&FieldTable> {
    let AMQPValue::FieldArray(deaths) = headers.inner().get("x-death")? else {
        return None;
    };
    match deaths.as_slice().first()? {
        AMQPValue::FieldTable(death) => Some(death),
        _ => None,
    }
}
