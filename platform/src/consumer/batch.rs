//! Applies a batch: one transaction with inbox, effects and parked messages; poison goes to retry.

use std::{collections::HashSet, sync::Arc};

use contracts::topology::ConsumerQueue;
use sea_orm::{DatabaseTransaction, TransactionTrait};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    BatchHandler, ConsumerContext, HandlerError, Incoming,
    bisect::{Apply, Attempt, bisect},
    fate::{Fate, Parking},
    handover::{HandOver, HandedOver, Retry},
    patience::{Patience, in_time},
    retry::NextStep,
    seen::{Outcome, count, span, transaction_took},
    worker::{Interrupted, Process},
};
use crate::{
    errors::explain,
    inbox::{self, Seen},
    parked::{self, NewParked, ParkKind},
};

/// Applies batches of one queue.
#[derive(Debug)]
pub(super) struct MessageProcessor<H> {
    context: ConsumerContext,
    handler: Arc<H>,
    stopping: CancellationToken,
    known: Known,
    hand_over: HandOver,
}

/// What is done with messages that the inbox knows already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// They are left out.
    LeaveOut,
    /// Those that only refresh a cache are applied again, the others are left out.
    Refresh,
}

impl<H: BatchHandler> Process for MessageProcessor<H> {
    async fn process(&mut self, batch: &[Incoming]) -> Result<(), Interrupted> {
        let poison = bisect(self, batch).await?;
        if poison.is_empty() {
            return Ok(());
        }
        let mut retries = Vec::new();
        let mut exhausted = Vec::new();
        for (message, error) in poison {
            let reason = explain(&error);
            tracing::warn!(
                queue = self.queue().name,
                key = message.routing_key,
                message_id = ?message.message_id,
                attempt = message.attempt,
                error = reason,
                "a message failed"
            );
            match NextStep::after(message.attempt) {
                NextStep::RetryAfter(delay_ms) => retries.push(Retry {
                    message,
                    delay_ms,
                    reason,
                }),
                NextStep::Park => exhausted.push((message, ParkKind::Failed, reason)),
            }
        }
        self.park_exhausted(&exhausted).await?;
        self.try_later(retries).await
    }
}

impl<H: BatchHandler> Apply for MessageProcessor<H> {
    type Item = Incoming;
    type Fault = HandlerError;
    type Stop = Interrupted;

    /// Tries again in hand while the database is away, up to the hold time.
    async fn apply(&self, messages: &[Incoming]) -> Attempt<HandlerError, Interrupted> {
        let mut patience = self.patience();
        loop {
            let applying = self
                .apply_once(messages)
                .instrument(span(self.queue(), messages));
            let error = match in_time(applying).await {
                Ok(()) => return Attempt::Done,
                Err(error) if !error.is_transient() => return Attempt::Failed(error),
                Err(error) => error,
            };
            if let Err(interrupted) = patience.pause(&error).await {
                return Attempt::Stopped(interrupted);
            }
        }
    }
}

impl<H: BatchHandler> MessageProcessor<H> {
    pub(super) fn new(
        context: ConsumerContext,
        handler: Arc<H>,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            hand_over: HandOver::new(context.broker.clone(), handler.queue()),
            context,
            handler,
            stopping,
            known: Known::LeaveOut,
        }
    }

    /// What it does with messages that the inbox knows.
    pub(super) fn with_known(self, known: Known) -> Self {
        Self { known, ..self }
    }

    fn queue(&self) -> ConsumerQueue {
        self.handler.queue()
    }

    fn patience(&self) -> Patience {
        Patience::new(&self.context, self.stopping.clone())
    }

    async fn apply_once(&self, messages: &[Incoming]) -> Result<(), HandlerError> {
        let began = Instant::now();
        let txn = self.context.db.begin().await?;
        let mut fate = Fate::default();
        let fresh = self.unseen(&txn, messages, &mut fate).await?;
        let readable = self.readable(fresh, &mut fate);
        if !readable.is_empty() {
            let verdicts = self.handler.handle(&txn, &readable).await?;
            fate.settle(&readable, verdicts)?;
        }
        self.park(&txn, &fate).await?;
        inbox::correct(&txn, self.queue().name, &fate.corrections()).await?;
        txn.commit().await?;
        transaction_took(self.queue().name, began.elapsed());
        self.handler.committed();
        self.report(&fate);
        Ok(())
    }

    /// Leaves out what was handled before; an id that came with another body is parked.
    async fn unseen<'a>(
        &self,
        txn: &DatabaseTransaction,
        messages: &'a [Incoming],
        fate: &mut Fate<'a>,
    ) -> Result<Vec<&'a Incoming>, HandlerError> {
        let entries: Vec<_> = messages.iter().filter_map(entry).collect();
        let now = self.context.sources.now();
        let seen = inbox::register(txn, self.queue().name, &entries, now).await?;
        let mut seen = seen.into_iter();
        let mut met = HashSet::new();
        let mut fresh = Vec::with_capacity(messages.len());
        for message in messages {
            let known = message.message_id.and_then(|id| Some((id, seen.next()?)));
            match known {
                // Without an id only the keys of the business protect (DESIGN.md section 5).
                None => fresh.push(message),
                Some((id, Seen::Fresh)) => {
                    met.insert(id);
                    fresh.push(message);
                }
                Some((id, Seen::Duplicate)) if self.refreshes(message) && met.insert(id) => {
                    fate.refreshed.insert(id);
                    fresh.push(message);
                }
                Some((_, Seen::Duplicate)) => fate.duplicates += 1,
                Some((_, Seen::Conflict)) => {
                    let reason = "its id was seen before with another body".to_owned();
                    fate.contradicting
                        .push((message, ParkKind::Conflict, reason));
                }
            }
        }
        Ok(fresh)
    }

    /// Whether a message is applied although it was handled before.
    fn refreshes(&self, message: &Incoming) -> bool {
        let key = message.routing_key.as_str();
        self.known == Known::Refresh && self.handler.refreshing_keys().contains(&key)
    }

    /// Leaves out what no handler can be asked about.
    fn readable<'a>(&self, fresh: Vec<&'a Incoming>, fate: &mut Fate<'a>) -> Vec<&'a Incoming> {
        let keys = self.handler.keys();
        let mut readable = Vec::with_capacity(fresh.len());
        for message in fresh {
            match message.refusal(keys) {
                Some((kind, reason)) => fate.parked.push((message, kind, reason)),
                None => readable.push(message),
            }
        }
        readable
    }

    async fn park(&self, txn: &DatabaseTransaction, fate: &Fate<'_>) -> Result<(), HandlerError> {
        let rows: Vec<NewParked> = fate
            .to_park()
            .map(|(message, kind, reason)| {
                let id = self.context.sources.new_id();
                message.to_parked(id, self.queue().name, *kind, reason.clone())
            })
            .collect();
        parked::park(txn, &rows, self.context.sources.now()).await?;
        Ok(())
    }

    fn report(&self, fate: &Fate<'_>) {
        let queue = self.queue().name;
        let parked = fate.to_park().count();
        count(queue, Outcome::Applied, fate.applied);
        count(queue, Outcome::Ignored, fate.ignored.len());
        count(queue, Outcome::Duplicate, fate.duplicates);
        count(queue, Outcome::Parked, parked);
        tracing::debug!(
            queue,
            applied = fate.applied,
            ignored = fate.ignored.len(),
            duplicates = fate.duplicates,
            parked,
            "a batch is committed"
        );
        for (message, kind, reason) in fate.to_park() {
            let (key, id) = (&message.routing_key, message.message_id);
            if *kind == ParkKind::Conflict {
                tracing::error!(queue, key, message_id = ?id, reason, "a message contradicts another");
            } else {
                tracing::warn!(queue, key, message_id = ?id, reason, "a message is parked");
            }
        }
    }

    /// Parks what failed too often, together with its inbox row, so that a redelivery is recognised.
    async fn park_exhausted(&self, exhausted: &[Parking<'_>]) -> Result<(), Interrupted> {
        if exhausted.is_empty() {
            return Ok(());
        }
        let mut patience = self.patience();
        let fate = loop {
            match in_time(self.try_park_exhausted(exhausted)).await {
                Ok(fate) => break fate,
                Err(error) => patience.pause(&error).await?,
            }
        };
        self.report(&fate);
        Ok(())
    }

    async fn try_park_exhausted<'a>(
        &self,
        exhausted: &[Parking<'a>],
    ) -> Result<Fate<'a>, HandlerError> {
        let messages = exhausted.iter().map(|(message, ..)| *message);
        let entries: Vec<_> = messages.filter_map(entry).collect();
        let queue = self.queue().name;
        let txn = self.context.db.begin().await?;
        let seen = inbox::register(&txn, queue, &entries, self.context.sources.now()).await?;
        let mut seen = seen.into_iter();
        let mut fate = Fate::default();
        for parking in exhausted {
            match parking.0.message_id.and_then(|_| seen.next()) {
                None | Some(Seen::Fresh) => fate.parked.push(parking.clone()),
                // Another replica applied it meanwhile, and nobody has to decide on this one.
                Some(Seen::Duplicate) => fate.duplicates += 1,
                Some(Seen::Conflict) => fate.contradicting.push(parking.clone()),
            }
        }
        self.park(&txn, &fate).await?;
        inbox::correct(&txn, queue, &fate.corrections()).await?;
        txn.commit().await?;
        Ok(fate)
    }

    /// Hands messages over to be tried later; when the broker takes none they are parked, for a person to
    /// send again. Either way the originals may be acknowledged.
    async fn try_later(&mut self, retries: Vec<Retry<'_>>) -> Result<(), Interrupted> {
        if retries.is_empty() {
            return Ok(());
        }
        let handing_over = self.hand_over.copy(&retries, self.context.sources.now());
        let outcome = self.stopping.run_until_cancelled(handing_over).await;
        match outcome.ok_or(Interrupted::Stopping)?? {
            HandedOver::Yes => Ok(()),
            HandedOver::Blocked => {
                let uncopied = retries.into_iter().map(|retry| {
                    let reason =
                        format!("{}; the broker took no copy to try it again", retry.reason);
                    (retry.message, ParkKind::Failed, reason)
                });
                self.park_exhausted(&uncopied.collect::<Vec<_>>()).await
            }
        }
    }
}

fn entry(message: &Incoming) -> Option<inbox::Entry<'_>> {
    Some(inbox::Entry {
        message_id: message.message_id?,
        routing_key: &message.routing_key,
        digest: message.digest,
    })
}
