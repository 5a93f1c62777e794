//! The life of a consumer: subscribe, process, acknowledge, and start over when something breaks.

use std::{future::Future, time::Duration};

use contracts::topology::Publisher;
use sea_orm::DatabaseConnection;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    ConsumerContext, ConsumerOptions, Incoming,
    subscription::{Next, Prefetch, Subscription},
};
use crate::{
    backoff::Backoff,
    rabbit::{Link, LinkError},
};

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

/// Why a subscription is over.
#[derive(Debug)]
enum Over {
    /// A larger prefetch needs a new subscription.
    Regrow(Prefetch),
    /// The broker ended it.
    Lost(String),
    /// Consuming rests until what it needs is back.
    Rest(String),
    /// The process stops.
    Stopping,
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
            db: context.db.clone(),
            service: context.broker.service(),
            queue,
            options: context.options,
            stopping,
            backoff: Backoff::new(shortest, longest, context.sources.rng()),
        }
    }

    /// Runs until the process stops.
    pub(super) async fn run(mut self, mut processor: impl Process) {
        let stopping = self.stopping.clone();
        let mut prefetch = Prefetch::Careful;
        loop {
            let opening = Subscription::open(&self.link, self.service, &self.queue, prefetch);
            let opened = tokio::select! {
                opened = opening => opened,
                () = stopping.cancelled() => return,
            };
            let over = match opened {
                Ok(subscription) => self.consume(subscription, &mut processor).await,
                Err(error) => Over::Lost(error.to_string()),
            };
            let pause = match over {
                Over::Stopping => return,
                Over::Regrow(larger) => {
                    prefetch = larger;
                    continue;
                }
                Over::Lost(why) => {
                    prefetch = Prefetch::Careful;
                    tracing::warn!(queue = self.queue, why, "subscribing again");
                    self.pause().await
                }
                Over::Rest(why) => {
                    prefetch = Prefetch::Probe;
                    tracing::warn!(queue = self.queue, why, "consuming rests");
                    self.rest().await
                }
            };
            if pause.is_err() {
                return;
            }
        }
    }

    async fn consume(
        &mut self,
        mut subscription: Subscription,
        processor: &mut impl Process,
    ) -> Over {
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
    ) -> Over {
        let mut larger = None;
        loop {
            let next = tokio::select! {
                biased;
                () = self.stopping.cancelled() => return Over::Stopping,
                next = subscription.next(self.options.batch, self.options.linger) => next,
            };
            let batch = match (next, larger) {
                (Next::Batch(batch), _) => batch,
                (Next::Ended, Some(prefetch)) => return Over::Regrow(prefetch),
                (Next::Ended, None) => {
                    return Over::Lost("the broker ended the subscription".into());
                }
                (Next::Broken(error), _) => return Over::Lost(error.to_string()),
            };
            if let Err(interrupted) = processor.process(&batch).await {
                return match interrupted {
                    Interrupted::Stopping => Over::Stopping,
                    Interrupted::Unavailable(why) => Over::Rest(why),
                    Interrupted::Broker(error) => Over::Lost(error.to_string()),
                };
            }
            self.backoff.reset();
            let acknowledged = self.acknowledge(subscription, &batch).await;
            if let Err(error) = acknowledged {
                return Over::Lost(error.to_string());
            }
            let full = self.options.batch.saturating_mul(2);
            if larger.is_none()
                && let Some(prefetch) = subscription.prefetch.after_good_batch(batch.len(), full)
            {
                if let Err(error) = subscription.wind_down().await {
                    return Over::Lost(error.to_string());
                }
                larger = Some(prefetch);
            }
        }
    }

    async fn acknowledge(
        &self,
        subscription: &Subscription,
        batch: &[Incoming],
    ) -> Result<(), LinkError> {
        match batch.last() {
            Some(last) => subscription.acknowledge(last.delivery_tag).await,
            None => Ok(()),
        }
    }

    /// Waits a growing while; an error says that the process stops.
    async fn pause(&mut self) -> Result<(), Interrupted> {
        let pause = self.backoff.next_pause();
        tokio::select! {
            () = sleep(pause) => Ok(()),
            () = self.stopping.cancelled() => Err(Interrupted::Stopping),
        }
    }

    /// Waits until the database answers; then a single message shows whether all is well again.
    async fn rest(&mut self) -> Result<(), Interrupted> {
        loop {
            self.pause().await?;
            match self.db.ping().await {
                Ok(()) => return Ok(()),
                Err(error) => tracing::debug!(queue = self.queue, %error, "consuming still rests"),
            }
        }
    }
}
