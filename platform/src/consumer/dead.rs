//! Drains the dead-letter queue of a queue into the parked messages.
//!
//! People look at messages in the database, not in the broker, where every look counts as a delivery.

use contracts::topology::ConsumerQueue;
use lapin::types::{AMQPValue, FieldTable};
use tokio_util::sync::CancellationToken;

use super::{
    ConsumerContext, Incoming,
    batch::Patience,
    seen::{Outcome, count},
    worker::{Interrupted, Process},
};
use crate::{
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
}

impl Process for DeadProcessor {
    async fn process(&mut self, batch: &[Incoming]) -> Result<(), Interrupted> {
        let rows: Vec<NewParked> = batch
            .iter()
            .map(|message| self.to_parked(message))
            .collect();
        let mut patience = Patience::new(&self.context, self.stopping.clone());
        loop {
            let now = self.context.sources.now();
            match parked::park(&self.context.db, &rows, now).await {
                Ok(()) => break,
                Err(error) => patience.pause(&error.into()).await?,
            }
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
