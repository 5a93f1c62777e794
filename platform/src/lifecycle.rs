//! The life of a process: every task is tracked, and stopping has a soft and a hard phase.

use std::{future::Future, process::ExitCode, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long tasks may take to finish what they have begun.
const SOFT_PHASE: Duration = Duration::from_secs(30);

/// Tracks the tasks of a process and tells them to stop; clones share their state.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    tracker: TaskTracker,
    stopping: CancellationToken,
    failed: CancellationToken,
}

impl Lifecycle {
    /// A process in which nothing runs yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when tasks should finish what they have begun and end.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Asks every task to finish.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Runs a task that lives as long as the process.
    ///
    /// When it ends or panics before the process is stopping, the process stops with a failure: half
    /// a process is worse than none, since nobody notices it.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns tasks")]
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let lifecycle = self.clone();
        let running: JoinHandle<()> = tokio::spawn(self.tracker.track_future(task));
        drop(tokio::spawn(self.tracker.track_future(async move {
            let outcome = running.await;
            if !lifecycle.stopping.is_cancelled() {
                match outcome {
                    Ok(()) => tracing::error!(task = name, "a task ended by itself"),
                    Err(error) => tracing::error!(task = name, %error, "a task died"),
                }
                lifecycle.failed.cancel();
                lifecycle.stop();
            }
        })));
    }

    /// Runs a piece of work that may end at any time; stopping waits for it.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns tasks")]
    pub fn spawn_short<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        tokio::spawn(self.tracker.track_future(work))
    }

    /// Waits for SIGTERM, SIGINT or a failed task, then for all tasks to finish.
    ///
    /// A second signal or 30 seconds end the wait. The code is a failure when a task had died or had
    /// to be cut off.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub async fn run(&self) -> std::io::Result<ExitCode> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            () = any(&mut terminate, &mut interrupt) => tracing::info!("stopping on a signal"),
            () = self.stopping.cancelled() => {}
        }
        self.stop();
        self.tracker.close();
        tokio::select! {
            () = self.tracker.wait() => {}
            () = tokio::time::sleep(SOFT_PHASE) => {
                tracing::warn!(tasks = self.tracker.len(), "tasks were cut off");
                return Ok(ExitCode::FAILURE);
            }
            () = any(&mut terminate, &mut interrupt) => {
                tracing::warn!(tasks = self.tracker.len(), "tasks were cut off by a second signal");
                return Ok(ExitCode::FAILURE);
            }
        }
        Ok(if self.failed.is_cancelled() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }

    /// Stops every task and waits until all have ended, for tests.
    pub async fn stop_and_wait(&self) {
        self.stop();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

async fn any(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_by_itself_stops_the_process_with_a_failure() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("short", async {});
        let code = lifecycle.run().await.unwrap();
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
    }

    #[tokio::test]
    async fn stopping_waits_for_the_tasks() {
        let lifecycle = Lifecycle::new();
        let token = lifecycle.stopping();
        let (done, finished) = tokio::sync::oneshot::channel();
        lifecycle.spawn("careful", async move {
            token.cancelled().await;
            tokio::task::yield_now().await;
            done.send(()).unwrap();
        });
        lifecycle.stop_and_wait().await;
        assert_eq!(finished.await, Ok(()));
    }
}
