//! Load at a steady rate, whatever the answers take.

use std::time::Duration;

use anyhow::Result;
use tokio::{
    sync::mpsc::UnboundedSender,
    time::{Instant, MissedTickBehavior, interval},
};

/// Something to do and the moment at which it is due; times count from there.
pub(crate) type Due<T> = (T, Instant);

/// Gives out one order at a time, turn by turn to the queues: a slow answer delays no other order.
pub(crate) async fn give_out<T: Send + Sync + 'static>(
    orders: impl Iterator<Item = T>,
    pace: Duration,
    queues: Vec<UnboundedSender<Due<T>>>,
) -> Result<()> {
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for (order, queue) in orders.zip(queues.iter().cycle()) {
        let due = ticks.tick().await;
        queue.send((order, due))?;
    }
    Ok(())
}
