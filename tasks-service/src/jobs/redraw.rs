//! Hands out tasks that wait and those whose performer was lost (T2, T5).

use std::time::Duration;

use platform::{errors::explain, lifecycle::Lifecycle};

use crate::app::{App, redraw};

/// How often a round is made without a call. It also bounds how long another replica's changes of
/// people stay unknown to this one's draws.
const INTERVAL: Duration = Duration::from_secs(5);

/// Makes a round at start, when people changed, and every few seconds.
pub(super) fn spawn(lifecycle: &Lifecycle, app: App) {
    let stopping = lifecycle.stopping();
    lifecycle.spawn("redraw", async move {
        loop {
            if let Err(error) = redraw::round(&app).await {
                tracing::warn!(
                    error = explain(&error),
                    "tasks wait for the next round of draws"
                );
            }
            let rest = tokio::time::timeout(INTERVAL, app.people_changed.woken());
            if stopping.run_until_cancelled(rest).await.is_none() {
                return;
            }
        }
    });
}
