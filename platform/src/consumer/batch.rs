//! Applies a batch: one transaction with inbox, effects and parked messages; poison goes to retry.

use std::{sync::Arc, time::Duration};

use contracts::topology::{ConsumerQueue, queues_exchange, retry_queue};
use sea_orm::{DatabaseTransaction, TransactionTrait};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    BatchHandler, ConsumerContext, HandlerError, Incoming, Verdict,
    bisect::{Apply, Attempt, bisect},
    retry::{NextStep, properties_of_retry},
    seen::{Outcome, count, span, transaction_took},
    worker::{Interrupted, Process},
};
use crate::{
    backoff::Backoff,
    errors::explain,
    inbox::{self, Seen},
    parked::{self, NewParked, ParkKind},
    rabbit::{ConfirmedPublisher, LinkError, Outgoing},
};

/// How long one transaction may take; longer means that the database is gone without a word.
const TRANSACTION_LIMIT: Duration = Duration::from_secs(30);

/// The message, why it is parked, and the words for a person.
type Parking<'a> = (&'a Incoming, ParkKind, String);

/// Applies batches of one queue.
#[derive(Debug)]
pub(super) struct MessageProcessor<H> {
    context: ConsumerContext,
    handler: Arc<H>,
    stopping: CancellationToken,
    /// Opened when the first message has to be retried.
    publisher: Option<ConfirmedPublisher>,
}

/// What became of a batch.
#[derive(Debug, Default)]
struct Tally {
    applied: usize,
    ignored: usize,
    duplicates: usize,
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
                NextStep::RetryAfter(delay_ms) => retries.push((message, delay_ms, reason)),
                NextStep::Park => exhausted.push((message, ParkKind::Failed, reason)),
            }
        }
        self.park_exhausted(&exhausted).await?;
        self.send_to_retry(&retries).await
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
            let outcome = timeout(TRANSACTION_LIMIT, applying).await;
            let silent = |_elapsed| Err(HandlerError::Unavailable("the database".to_owned()));
            let error = match outcome.unwrap_or_else(silent) {
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
            context,
            handler,
            stopping,
            publisher: None,
        }
    }

    fn queue(&self) -> ConsumerQueue {
        self.handler.queue()
    }

    fn patience(&self) -> Patience {
        Patience::new(&self.context, self.stopping.clone())
    }

    async fn apply_once(&self, messages: &[Incoming]) -> Result<(), HandlerError> {
        let keys = self.handler.keys();
        let mut parking = Vec::new();
        let mut readable = Vec::with_capacity(messages.len());
        for message in messages {
            match message.refusal(keys) {
                Some((kind, reason)) => parking.push((message, kind, reason)),
                None => readable.push(message),
            }
        }
        let began = Instant::now();
        let txn = self.context.db.begin().await?;
        let mut tally = Tally::default();
        let fresh = self.unseen(&txn, readable, &mut parking).await?;
        tally.duplicates = messages.len() - fresh.len() - parking.len();
        if !fresh.is_empty() {
            let verdicts = self.handler.handle(&txn, &fresh).await?;
            settle(&fresh, verdicts, &mut parking, &mut tally)?;
        }
        self.park(&txn, &parking).await?;
        txn.commit().await?;
        transaction_took(self.queue().name, began.elapsed());
        self.handler.committed();
        self.report(&tally, &parking);
        Ok(())
    }

    /// Leaves out what was applied before; an id that came with another body is parked.
    async fn unseen<'a>(
        &self,
        txn: &DatabaseTransaction,
        messages: Vec<&'a Incoming>,
        parking: &mut Vec<Parking<'a>>,
    ) -> Result<Vec<&'a Incoming>, HandlerError> {
        let entries: Vec<_> = messages
            .iter()
            .filter_map(|message| entry(message))
            .collect();
        let now = self.context.sources.now();
        let seen = inbox::register(txn, self.queue().name, &entries, now).await?;
        let mut seen = seen.into_iter();
        let mut fresh = Vec::with_capacity(messages.len());
        for message in messages {
            let known = message.message_id.and_then(|_| seen.next());
            match known {
                // Without an id only the keys of the business protect (DESIGN.md section 5).
                None | Some(Seen::Fresh) => fresh.push(message),
                Some(Seen::Duplicate) => {}
                Some(Seen::Conflict) => {
                    let reason = "its id was seen before with another body".to_owned();
                    parking.push((message, ParkKind::Conflict, reason));
                }
            }
        }
        Ok(fresh)
    }

    async fn park(
        &self,
        txn: &DatabaseTransaction,
        parking: &[Parking<'_>],
    ) -> Result<(), HandlerError> {
        let rows: Vec<NewParked> = parking
            .iter()
            .map(|(message, kind, reason)| {
                let id = self.context.sources.new_id();
                message.to_parked(id, self.queue().name, *kind, reason.clone())
            })
            .collect();
        parked::park(txn, &rows, self.context.sources.now()).await?;
        Ok(())
    }

    fn report(&self, tally: &Tally, parking: &[Parking<'_>]) {
        let queue = self.queue().name;
        count(queue, Outcome::Applied, tally.applied);
        count(queue, Outcome::Ignored, tally.ignored);
        count(queue, Outcome::Duplicate, tally.duplicates);
        count(queue, Outcome::Parked, parking.len());
        tracing::debug!(
            queue,
            tally.applied,
            tally.ignored,
            tally.duplicates,
            parked = parking.len(),
            "a batch is committed"
        );
        for (message, kind, reason) in parking {
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
        while let Err(error) = self.try_park_exhausted(exhausted).await {
            patience.pause(&error).await?;
        }
        self.report(&Tally::default(), exhausted);
        Ok(())
    }

    async fn try_park_exhausted(&self, exhausted: &[Parking<'_>]) -> Result<(), HandlerError> {
        let entries: Vec<_> = exhausted
            .iter()
            .filter_map(|(message, ..)| entry(message))
            .collect();
        let txn = self.context.db.begin().await?;
        let now = self.context.sources.now();
        let seen = inbox::register(&txn, self.queue().name, &entries, now).await?;
        // A copy that another replica applied meanwhile is done, and nobody has to decide on this one.
        let mut seen = seen.into_iter();
        let is_open = |parking: &&Parking<'_>| {
            parking.0.message_id.is_none() || seen.next() != Some(Seen::Duplicate)
        };
        let open: Vec<Parking<'_>> = exhausted.iter().filter(is_open).cloned().collect();
        self.park(&txn, &open).await?;
        txn.commit().await?;
        Ok(())
    }

    /// Publishes copies to the retry queues. Only when the broker has them may the originals be
    /// acknowledged; a crash in between makes a duplicate, which the inbox recognises.
    async fn send_to_retry(
        &mut self,
        retries: &[(&Incoming, i64, String)],
    ) -> Result<(), Interrupted> {
        if retries.is_empty() {
            return Ok(());
        }
        let queue = self.queue();
        let now = self.context.sources.now();
        let exchange = queues_exchange(queue.consumer);
        let names: Vec<String> = retries
            .iter()
            .map(|(_, delay_ms, _)| retry_queue(queue.name, *delay_ms))
            .collect();
        let copies = retries
            .iter()
            .zip(&names)
            .map(|((message, _, reason), name)| Outgoing {
                exchange: &exchange,
                routing_key: name,
                properties: properties_of_retry(message, reason, now),
                body: &message.body,
            })
            .collect();
        let publishing = async {
            let mut publisher = match self.publisher.take() {
                Some(publisher) => publisher,
                None => ConfirmedPublisher::open(self.context.broker.publishing()).await?,
            };
            let receipt = publisher.publish(copies).await?;
            Ok::<_, LinkError>((publisher, receipt))
        };
        let published = self.stopping.run_until_cancelled(publishing).await;
        let (publisher, receipt) = published.ok_or(Interrupted::Stopping)??;
        self.publisher = Some(publisher);
        if receipt.is_complete() {
            count(queue.name, Outcome::Retried, retries.len());
            Ok(())
        } else {
            Err(Interrupted::Unavailable("a retry queue".to_owned()))
        }
    }
}

fn entry(message: &Incoming) -> Option<inbox::Entry> {
    let message_id = message.message_id?;
    Some(inbox::Entry {
        message_id,
        digest: message.digest,
    })
}

fn settle<'a>(
    fresh: &[&'a Incoming],
    verdicts: Vec<Verdict>,
    parking: &mut Vec<Parking<'a>>,
    tally: &mut Tally,
) -> Result<(), HandlerError> {
    if verdicts.len() != fresh.len() {
        let text = format!("{} verdicts for {} messages", verdicts.len(), fresh.len());
        return Err(HandlerError::failed(text));
    }
    for (message, verdict) in fresh.iter().copied().zip(verdicts) {
        match verdict {
            Verdict::Applied => tally.applied += 1,
            Verdict::Ignored => tally.ignored += 1,
            Verdict::Unreadable(why) => parking.push((message, ParkKind::Unreadable, why)),
            Verdict::Park(why) => parking.push((message, ParkKind::Refused, why)),
            Verdict::Conflict(why) => parking.push((message, ParkKind::Conflict, why)),
        }
    }
    Ok(())
}

/// Waits between attempts at the same batch, but not for ever.
#[derive(Debug)]
pub(super) struct Patience {
    backoff: Backoff,
    until: Instant,
    stopping: CancellationToken,
}

impl Patience {
    pub(super) fn new(context: &ConsumerContext, stopping: CancellationToken) -> Self {
        let (shortest, longest) = (Duration::from_millis(50), Duration::from_secs(2));
        Self {
            backoff: Backoff::new(shortest, longest, context.sources.rng()),
            until: Instant::now() + context.options.hold,
            stopping,
        }
    }

    /// Waits after a failure, or says that the batch has to be given back.
    pub(super) async fn pause(&mut self, error: &HandlerError) -> Result<(), Interrupted> {
        if Instant::now() >= self.until {
            return Err(Interrupted::Unavailable(explain(error)));
        }
        tracing::debug!(error = explain(error), "a batch is tried again");
        tokio::select! {
            () = tokio::time::sleep(self.backoff.next_pause()) => Ok(()),
            () = self.stopping.cancelled() => Err(Interrupted::Stopping),
        }
    }
}
