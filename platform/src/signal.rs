//! A wake-up call between tasks of one process.

use std::sync::Arc;

use tokio::sync::Notify;

/// Wakes one waiting task; clones share their state.
///
/// It only saves waiting: whoever is woken also looks by itself now and then, so a call that is lost
/// with its process loses nothing. Calls while nobody waits are remembered as one.
#[derive(Debug, Clone, Default)]
pub struct Signal(Arc<Notify>);

impl Signal {
    /// A signal that nobody has given yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes the waiting task, or the next one that waits.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    /// Waits for the next call.
    pub async fn woken(&self) {
        self.0.notified().await;
    }
}
