//! Reads, publishes and removes at the same time: while one batch is sent, the confirms of the one
//! before come in, the next is read and the last but one is removed.

use std::collections::HashSet;

use tokio::time::{Duration, Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    RelayError,
    lead::{Cleaner, Lead},
    rows::{Row, ready},
    settle::{Followed, Settled, Settling},
};
use crate::{
    operations::activity::Activity,
    outbox::OutboxSignal,
    rabbit::{ConfirmedPublisher, InFlight, LinkError, Receipt},
    sources::Sources,
};

/// Rows per batch; two batches are with the broker at once.
const BATCH: i64 = 500;

/// How often the leader looks by itself: for what other replicas wrote. It bounds their delay.
const POLL: Duration = Duration::from_millis(20);

/// How often everything that is left is looked at again: refused rows whose pause is over, and rows
/// that were committed too late to be noticed.
const SWEEP: Duration = Duration::from_secs(5);

/// A batch that is with the broker.
#[derive(Debug)]
struct Sent {
    rows: Vec<Row>,
    in_flight: InFlight,
}

/// The relay while it leads.
#[derive(Debug)]
pub(super) struct Pipeline {
    publisher: ConfirmedPublisher,
    lead: Lead,
    cleaner: Cleaner,
    sources: Sources,
    activity: Activity,
    /// Read, not sent.
    next: Vec<Row>,
    /// Sent, not confirmed.
    sent: Option<Sent>,
    settling: Settling,
    /// Settled, not removed.
    settled: Settled,
    /// Records with a message that waits after a refusal.
    held: HashSet<Uuid>,
    swept: Instant,
}

impl Pipeline {
    pub(super) fn new(
        publisher: ConfirmedPublisher,
        lead: Lead,
        cleaner: Cleaner,
        sources: Sources,
        activity: Activity,
    ) -> Self {
        Self {
            publisher,
            lead,
            cleaner,
            sources,
            activity,
            next: Vec::new(),
            sent: None,
            settling: Settling::default(),
            settled: Settled::default(),
            held: HashSet::new(),
            swept: Instant::now(),
        }
    }

    /// Relays until something fails, or until the process stops and the outbox is empty.
    pub(super) async fn run(
        mut self,
        signal: &OutboxSignal,
        stopping: &CancellationToken,
    ) -> Result<(), RelayError> {
        loop {
            self.turn().await?;
            if !self.is_idle() {
                continue;
            }
            if stopping.is_cancelled() {
                return Ok(());
            }
            tokio::select! {
                () = signal.woken() => {}
                () = sleep(POLL) => {}
            }
        }
    }

    /// Nothing is read, under way or left to be removed.
    fn is_idle(&self) -> bool {
        self.next.is_empty()
            && self.sent.is_none()
            && self.settling.is_empty()
            && self.settled == Settled::default()
    }

    /// Moves everything one step on: reads, sends, takes confirms and removes, all at once.
    async fn turn(&mut self) -> Result<(), RelayError> {
        let sweep = self.swept.elapsed() >= SWEEP;
        let leaving = ready(
            std::mem::take(&mut self.next),
            &mut self.held,
            self.sources.now(),
        );
        let settled = std::mem::take(&mut self.settled);
        self.activity.sent(settled.done.len());
        count("task_exchange_relay_published_total", leaving.len());
        let publishing = publish(&mut self.publisher, &leaving, self.sent.take());
        let reading = async {
            // Before a sweep nothing may be under way, or it would be read and sent twice.
            if sweep {
                Ok(Vec::new())
            } else {
                self.lead.fetch(BATCH).await
            }
        };
        let removing = clean_up(&mut self.cleaner, settled, &self.sources);
        let (published, read, removed) = tokio::join!(publishing, reading, removing);
        let (in_flight, confirmed) = published?;
        self.next = read?;
        removed?;

        let followed = in_flight
            .as_ref()
            .map_or(Followed::ByNothing, |_| Followed::ByABatch);
        self.sent = in_flight.map(|in_flight| Sent {
            rows: leaving,
            in_flight,
        });
        if let Some((rows, receipt)) = confirmed {
            self.settled = self.settling.confirm(rows, receipt, followed);
            count(
                "task_exchange_relay_confirmed_total",
                self.settled.done.len(),
            );
            count(
                "task_exchange_relay_refused_total",
                self.settled.refused.len(),
            );
            let refused = self.settled.refused.iter();
            self.held.extend(refused.map(|refused| refused.entity_id));
        }
        if sweep && self.is_idle() {
            self.lead.rewind();
            self.held.clear();
            self.swept = Instant::now();
        }
        Ok(())
    }
}

fn count(metric: &'static str, messages: usize) {
    metrics::counter!(metric).increment(u64::try_from(messages).unwrap_or(u64::MAX));
}

/// Sends a batch and then waits for the confirms of the one before.
async fn publish(
    publisher: &mut ConfirmedPublisher,
    leaving: &[Row],
    sent: Option<Sent>,
) -> Result<(Option<InFlight>, Option<(Vec<Row>, Receipt)>), LinkError> {
    let in_flight = if leaving.is_empty() {
        None
    } else {
        let messages = leaving.iter().map(Row::to_outgoing).collect();
        Some(publisher.send(messages).await?)
    };
    let confirmed = match sent {
        Some(sent) => Some((sent.rows, sent.in_flight.settle().await?)),
        None => None,
    };
    Ok((in_flight, confirmed))
}

async fn clean_up(
    cleaner: &mut Cleaner,
    settled: Settled,
    sources: &Sources,
) -> Result<(), RelayError> {
    cleaner.remove(settled.done).await?;
    if settled.refused.is_empty() {
        return Ok(());
    }
    let (messages, first) = (settled.refused.len(), settled.refused.first());
    tracing::warn!(
        messages,
        reason = first.map(|first| first.reason),
        "the broker refused messages"
    );
    let dead = cleaner
        .note_refusals(&settled.refused, sources.now())
        .await?;
    if !dead.is_empty() {
        tracing::error!(positions = ?dead, "messages are given up and kept in outbox_dead");
    }
    Ok(())
}
