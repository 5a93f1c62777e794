//! Three lanes side by side: one reads and sends, one takes confirms, one removes.
//!
//! What is committed is sent as soon as it is read: no message waits for the confirm or for the
//! removal of another.

use std::{
    collections::HashSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    time::{Duration, Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    RelayError,
    lead::{Cleaner, Lead},
    rows::{Row, ready},
    settle::{Settled, Settling},
};
use crate::{
    operations::activity::Activity,
    outbox::OutboxSignal,
    rabbit::{ConfirmedPublisher, InFlight},
    sources::Sources,
};

/// Rows per batch.
const BATCH: u16 = 500;

/// Batches that wait for the one before them to be confirmed. With that one, and one that waits for
/// its place, three are with the broker at most.
const SENT: usize = 1;

/// Batches that are settled and wait to be removed.
const SETTLED: usize = 64;

/// How often the leader looks by itself: for what other replicas wrote. It bounds their delay.
const POLL: Duration = Duration::from_millis(20);

/// How long rows that the broker has wait for others to be removed with.
const LINGER: Duration = Duration::from_millis(50);

/// How often everything that is left is looked at again: refused rows whose pause is over, and rows
/// that were committed too late to be noticed.
const SWEEP: Duration = Duration::from_secs(5);

/// The relay while it leads.
#[derive(Debug)]
pub(super) struct Pipeline {
    publisher: ConfirmedPublisher,
    lead: Lead,
    cleaner: Cleaner,
    sources: Sources,
    activity: Activity,
    /// The pause after messages left, in which the next ones gather.
    gathering: Duration,
}

/// A batch that is with the broker.
#[derive(Debug)]
struct Sent {
    rows: Vec<Row>,
    in_flight: InFlight,
}

/// What the lanes tell each other besides batches.
#[derive(Debug, Default)]
struct Shared {
    /// Batches that were begun to be sent.
    begun: AtomicU64,
    /// Records with a message that waits after a refusal.
    held: Mutex<HashSet<Uuid>>,
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// It is time to look at everything again.
    Sweep,
    /// The process stops and the outbox is empty.
    Stopping,
}

impl Pipeline {
    pub(super) fn new(
        publisher: ConfirmedPublisher,
        lead: Lead,
        cleaner: Cleaner,
        sources: Sources,
        activity: Activity,
        gathering: Duration,
    ) -> Self {
        Self {
            publisher,
            lead,
            cleaner,
            sources,
            activity,
            gathering,
        }
    }

    /// Relays until something fails, or until the process stops and the outbox is empty.
    pub(super) async fn run(
        mut self,
        signal: &OutboxSignal,
        stopping: &CancellationToken,
    ) -> Result<(), RelayError> {
        while self.round(signal, stopping).await? == Over::Sweep {
            self.lead.rewind();
        }
        Ok(())
    }

    /// Relays until the next sweep. Nothing is under way when it is over, so that nothing is read and
    /// sent twice.
    async fn round(
        &mut self,
        signal: &OutboxSignal,
        stopping: &CancellationToken,
    ) -> Result<Over, RelayError> {
        let shared = Shared::default();
        let (sent, to_settle) = channel(SENT);
        let (settled, to_remove) = channel(SETTLED);
        let sending = Sending {
            publisher: &mut self.publisher,
            lead: &mut self.lead,
            sources: &self.sources,
            shared: &shared,
            sent,
            gathering: self.gathering,
        };
        let removing = Removing {
            cleaner: &mut self.cleaner,
            sources: &self.sources,
            activity: &self.activity,
        };
        let (over, (), ()) = tokio::try_join!(
            sending.run(signal, stopping),
            settle(to_settle, settled, &shared),
            removing.run(to_remove),
        )?;
        Ok(over)
    }
}

/// The lane that reads and sends.
#[derive(Debug)]
struct Sending<'a> {
    publisher: &'a mut ConfirmedPublisher,
    lead: &'a mut Lead,
    sources: &'a Sources,
    shared: &'a Shared,
    sent: Sender<Sent>,
    gathering: Duration,
}

impl Sending<'_> {
    async fn run(
        mut self,
        signal: &OutboxSignal,
        stopping: &CancellationToken,
    ) -> Result<Over, RelayError> {
        let sweep = Instant::now() + SWEEP;
        while Instant::now() < sweep {
            let rows = self.lead.fetch(BATCH).await?;
            let read = rows.len();
            self.send(rows).await?;
            if read == 0 && stopping.is_cancelled() {
                return Ok(Over::Stopping);
            }
            if read >= usize::from(BATCH) {
                continue;
            }
            if read > 0 {
                sleep(self.gathering).await;
            }
            tokio::select! {
                () = signal.woken() => {}
                () = sleep(POLL) => {}
            }
        }
        Ok(Over::Sweep)
    }

    /// Sends what may leave and waits for room behind it.
    async fn send(&mut self, rows: Vec<Row>) -> Result<(), RelayError> {
        let rows = {
            let mut held = self.shared.held();
            ready(rows, &mut held, self.sources.now())
        };
        if rows.is_empty() {
            return Ok(());
        }
        count("task_exchange_relay_published_total", rows.len());
        self.shared.begun.fetch_add(1, Ordering::Relaxed);
        let messages = rows.iter().map(Row::to_outgoing).collect();
        let in_flight = self.publisher.send(messages).await?;
        // Nobody takes it only when another lane has failed; then this one is given up as well.
        self.sent.send(Sent { rows, in_flight }).await.ok();
        Ok(())
    }
}

/// The lane that takes confirms; it ends after the last batch that was sent.
async fn settle(
    mut sent: Receiver<Sent>,
    settled: Sender<Settled>,
    shared: &Shared,
) -> Result<(), RelayError> {
    let mut settling = Settling::default();
    while let Some(Sent { rows, in_flight }) = sent.recv().await {
        let receipt = in_flight.settle().await?;
        let begun = shared.begun.load(Ordering::Relaxed);
        let known = settling.confirm(rows, receipt, begun);
        let refused = known.refused.iter().map(|refused| refused.entity_id);
        shared.held().extend(refused);
        // Nobody takes it only when another lane has failed; then this one is given up as well.
        settled.send(known).await.ok();
    }
    Ok(())
}

/// The lane that removes.
#[derive(Debug)]
struct Removing<'a> {
    cleaner: &'a mut Cleaner,
    sources: &'a Sources,
    activity: &'a Activity,
}

impl Removing<'_> {
    /// Goes on until everything is removed that was settled.
    async fn run(mut self, mut settled: Receiver<Settled>) -> Result<(), RelayError> {
        while let Some(first) = settled.recv().await {
            let gathered = gather(first, &mut settled).await;
            self.remove(gathered).await?;
        }
        Ok(())
    }

    async fn remove(&mut self, settled: Settled) -> Result<(), RelayError> {
        let (done, refused) = (settled.done.len(), settled.refused.len());
        count("task_exchange_relay_confirmed_total", done);
        count("task_exchange_relay_refused_total", refused);
        self.activity.sent(done);
        self.cleaner.remove(settled.done).await?;
        let Some(first) = settled.refused.first() else {
            return Ok(());
        };
        let reason = first.reason;
        tracing::warn!(messages = refused, reason, "the broker refused messages");
        let now = self.sources.now();
        let dead = self.cleaner.note_refusals(&settled.refused, now).await?;
        if !dead.is_empty() {
            tracing::error!(positions = ?dead, "messages are given up and kept in outbox_dead");
        }
        Ok(())
    }
}

/// Takes what else is settled within [`LINGER`], up to a batch and what comes with its last.
async fn gather(first: Settled, settled: &mut Receiver<Settled>) -> Settled {
    let until = Instant::now() + LINGER;
    let mut gathered = first;
    while gathered.done.len() < usize::from(BATCH)
        && let Ok(Some(more)) = timeout_at(until, settled.recv()).await
    {
        gathered.done.extend(more.done);
        gathered.refused.extend(more.refused);
    }
    gathered
}

fn count(metric: &'static str, messages: usize) {
    metrics::counter!(metric).increment(u64::try_from(messages).unwrap_or(u64::MAX));
}
