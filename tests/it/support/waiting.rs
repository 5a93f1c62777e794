//! Waits for what happens by itself, with one deadline for all tests.

use std::{future::Future, time::Duration};

use anyhow::{Context as _, Result};
use tokio::time::{sleep, timeout};

/// Long enough for a busy machine; a test that passes never waits for it.
const DEADLINE: Duration = Duration::from_mins(1);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until `probe` finds something, and answers it.
///
/// # Errors
/// The error of `probe`, or that `what` did not happen before the deadline.
pub(crate) async fn eventually<T, F>(what: &str, probe: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    within(DEADLINE, what, probe).await
}

/// The same with a deadline of its own, for what takes a busy machine longer than anything else.
///
/// # Errors
/// As [`eventually`].
pub(crate) async fn within<T, F>(
    deadline: Duration,
    what: &str,
    mut probe: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let looking = async {
        loop {
            if let Some(found) = probe().await? {
                return Ok(found);
            }
            sleep(PAUSE).await;
        }
    };
    timeout(deadline, looking)
        .await
        .with_context(|| format!("waited in vain until {what}"))?
}

/// Looks until `probe` holds.
///
/// # Errors
/// As [`eventually`].
pub(crate) async fn until<F>(what: &str, mut probe: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    eventually(what, || {
        let look = probe();
        async move { Ok(look.await?.then_some(())) }
    })
    .await
}
