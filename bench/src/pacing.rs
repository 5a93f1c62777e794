//! Load at a steady rate, whatever the answers take.

use std::{thread, time::Duration};

use anyhow::Result;
use tokio::{sync::mpsc::UnboundedSender, task::spawn_blocking, time::Instant};

/// Something to do and the moment at which it is due; times count from there.
pub(crate) type Due<T> = (T, Instant);

/// Gives out one order at a time, turn by turn to the queues: a slow answer delays no other order.
///
/// A thread of its own keeps the time, since timers of tokio go by whole milliseconds.
pub(crate) async fn give_out<T: Send + Sync + 'static>(
    orders: impl IntoIterator<Item = T> + Send + 'static,
    pace: Duration,
    queues: Vec<UnboundedSender<Due<T>>>,
) -> Result<()> {
    let giving = move || {
        let mut due = Instant::now();
        for (order, queue) in orders.into_iter().zip(queues.iter().cycle()) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            queue.send((order, due))?;
            due += pace;
        }
        anyhow::Ok(())
    };
    spawn_blocking(giving).await?
}
