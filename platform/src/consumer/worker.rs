//! The life of a consumer: subscribe, process, acknowledge, and start over when something breaks.

use std::{future::Future, time::Duration};

use contracts::topology::Publisher;
use sea_orm::DatabaseConnection;
use tokio::{pin, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    ConsumerContext, ConsumerOptions, Incoming,
    patience::in_time,
    seen::Seen,
    subscription::{Next, Prefetch, Subscription},
};
use crate::{
    backoff::Backoff,
    inbox,
    operations::activity::{Activity, Phase},
    rabbit::{Link, LinkError},
    sources::Sources,
};

/// How long nothing has to come after a pause until all counts as well again: another replica may have
/// taken the message that would have shown it.
const QUIET: Duration = Duration::from_mins(1);

/// The longest pause before a trial. With one replica a message that is delivered in vain as often as the broker
/// allows has then waited for half an hour to an hour.
const LONGEST_BETWEEN_TRIALS: Duration = Duration::from_mins(5);

/// Why a batch was given up; its messages go back to the queue.
#[derive(Debug, thiserror::Error)]
pub(super) enum Interrupted {
    /// The process stops.
    #[error("the process is stopping")]
    Stopping,
    /// Something that every message needs is away.
    #[error("{0}")]
    Unavailable(String),
    /// The broker is away.
    #[error("the broker failed")]
    Broker(#[from] LinkError),
}

/// Does the work of one queue.
pub(super) trait Process: Send + 'static {
    /// Makes the messages durable in one way or another, all of them.
    fn process(
        &mut self,
        batch: &[Incoming],
    ) -> impl Future<Output = Result<(), Interrupted>> + Send;
}

/// Why a subscription is given up.
#[derive(Debug)]
enum Over {
    /// It broke or was ended by the broker.
    Lost(String),
    /// Consuming rests until what it needs is back.
    Rest(String),
    /// The process stops.
    Stopping,
}

impl From<LinkError> for Over {
    fn from(error: LinkError) -> Self {
        Self::Lost(error.to_string())
    }
}

impl From<Interrupted> for Over {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Stopping => Self::Stopping,
            Interrupted::Unavailable(why) => Self::Rest(why),
            Interrupted::Broker(error) => error.into(),
        }
    }
}

/// Consumes one queue until the process stops.
#[derive(Debug)]
pub(super) struct Worker {
    link: Link,
    db: DatabaseConnection,
    service: Publisher,
    queue: String,
    options: ConsumerOptions,
    stopping: CancellationToken,
    backoff: Backoff,
    activity: Activity,
    sources: Sources,
    seen: Seen,
    /// Pauses before a trial, from one that failed although the database took rows to the next.
    trials: Backoff,
    /// What is away, as far as is known.
    away: Option<String>,
}

impl Worker {
    pub(super) fn new(
        context: &ConsumerContext,
        queue: String,
        stopping: CancellationToken,
    ) -> Self {
        let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(10));
        Self {
            link: context.broker.consuming().clone(),
            seen: Seen::new(&queue),
            db: context.db.clone(),
            service: context.broker.service(),
            queue,
            options: context.options,
            stopping,
            backoff: Backoff::new(shortest, longest, context.sources.rng()),
            trials: Backoff::new(shortest, LONGEST_BETWEEN_TRIALS, context.sources.rng()),
            activity: context.broker.activity().clone(),
            sources: context.sources.clone(),
            away: None,
        }
    }

    /// Runs until the process stops.
    pub(super) async fn run(mut self, mut processor: impl Process) {
        let stopping = self.stopping.clone();
        let mut prefetch = Prefetch::Probe;
        self.report(Phase::Connecting, None);
        loop {
            let channel = tokio::select! {
                channel = self.link.channel() => channel,
                () = stopping.cancelled() => return,
            };
            // Not to be left half-way: a consumer that nobody closes keeps the messages it was handed.
            let opening =
                Subscription::open(&self.link, channel, self.service, &self.queue, prefetch);
            let outcome = match opening.await {
                Ok(subscription) => {
                    self.report_subscribed();
                    self.consume(subscription, &mut processor).await
                }
                Err(error) => Err(error.into()),
            };
            let resumed = match outcome {
                Ok(larger) => {
                    prefetch = larger;
                    continue;
                }
                Err(Over::Stopping) => return,
                Err(Over::Lost(why)) => {
                    prefetch = Prefetch::Probe;
                    tracing::warn!(queue = self.queue, why, "subscribing again");
                    self.report(Phase::Connecting, Some(why));
                    self.pause().await
                }
                Err(Over::Rest(why)) => {
                    prefetch = Prefetch::Probe;
                    tracing::warn!(queue = self.queue, why, "consuming rests");
                    self.seen.paused();
                    self.report(Phase::Paused, Some(why.clone()));
                    self.away = Some(why);
                    self.rest().await
                }
            };
            if resumed.is_err() {
                return;
            }
        }
    }

    /// After a pause a subscription is no more than a trial.
    fn report_subscribed(&self) {
        match &self.away {
            Some(why) => self.report(Phase::Paused, Some(why.clone())),
            None => self.report(Phase::Consuming, None),
        }
    }

    fn resumed(&mut self) {
        self.away = None;
        self.seen.resumed();
        self.report(Phase::Consuming, None);
    }

    fn report(&self, phase: Phase, why: Option<String>) {
        self.activity
            .consumer(&self.queue, phase, why, self.sources.now());
    }

    /// Works off a subscription until a larger one is worth while.
    async fn consume(
        &mut self,
        mut subscription: Subscription,
        processor: &mut impl Process,
    ) -> Result<Prefetch, Over> {
        let over = self.work_off(&mut subscription, processor).await;
        // Closing, rather than cancelling, gives the messages back before anybody subscribes again,
        // and avoids a fault of RabbitMQ 3.10.8 (rabbitmq-server#5927).
        subscription.close().await;
        over
    }

    async fn work_off(
        &mut self,
        subscription: &mut Subscription,
        processor: &mut impl Process,
    ) -> Result<Prefetch, Over> {
        let full = self.options.batch.saturating_mul(2);
        let mut larger = None;
        loop {
            let batch = match self.next(subscription).await {
                None => return Err(Over::Stopping),
                Some(Next::Batch(batch)) => batch,
                Some(Next::Broken(error)) => return Err(error.into()),
                Some(Next::Ended) => {
                    let by_broker = || Over::Lost("the broker ended the subscription".to_owned());
                    return larger.ok_or_else(by_broker);
                }
            };
            self.seen.received(batch.len());
            processor.process(&batch).await?;
            if let Some(last) = batch.last() {
                subscription.acknowledge(last.delivery_tag).await?;
            }
            self.backoff.reset();
            self.trials.reset();
            self.resumed();
            if larger.is_none()
                && let Some(prefetch) = subscription.prefetch.after_good_batch(&batch, full)
            {
                subscription.wind_down().await?;
                larger = Some(prefetch);
            }
        }
    }

    /// What comes next; none when the process stops.
    async fn next(&mut self, subscription: &mut Subscription) -> Option<Next> {
        let stopping = self.stopping.clone();
        let next = subscription.next(self.options.batch, self.options.linger);
        pin!(next);
        tokio::select! {
            biased;
            () = stopping.cancelled() => return None,
            next = &mut next => return Some(next),
            () = sleep(QUIET), if self.away.is_some() => self.resumed(),
        }
        stopping.run_until_cancelled(next).await
    }

    /// Waits a growing while; an error says that the process stops.
    async fn pause(&mut self) -> Result<(), Interrupted> {
        let pause = self.backoff.next_pause();
        self.pause_for(pause).await
    }

    async fn pause_for(&self, pause: Duration) -> Result<(), Interrupted> {
        tokio::select! {
            () = sleep(pause) => Ok(()),
            () = self.stopping.cancelled() => Err(Interrupted::Stopping),
        }
    }

    /// Waits until the database takes what every batch writes; then a single message shows whether all is
    /// well again. Asking comes first because each delivery in vain counts against that message, and trials that
    /// fail all the same, say for want of a column, grow rare: people need time to mend that.
    async fn rest(&mut self) -> Result<(), Interrupted> {
        let pause = self.trials.next_pause();
        self.pause_for(pause).await?;
        loop {
            let probe = async { Ok(inbox::probe(&self.db, &self.sources).await?) };
            let answer = self.stopping.run_until_cancelled(in_time(probe)).await;
            match answer.ok_or(Interrupted::Stopping)? {
                Ok(()) => return Ok(()),
                Err(error) => tracing::debug!(queue = self.queue, %error, "consuming still rests"),
            }
            self.pause().await?;
        }
    }
}
