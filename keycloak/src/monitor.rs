//! Tells the metrics how far the copy of Keycloak's users is behind.

use std::time::Duration;

use chrono::{DateTime, Utc};
use platform::{errors::explain, lifecycle::Lifecycle, sources::Sources};
use sea_orm::DatabaseConnection;
use tokio::time::sleep;

use crate::store::{StoreError, state};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(15);

/// Looks until the process stops, in every replica: the copy is theirs together.
pub(crate) fn spawn(lifecycle: &Lifecycle, db: DatabaseConnection, sources: Sources) {
    let stopping = lifecycle.stopping();
    metrics::counter!("task_exchange_bridge_events_total").absolute(0);
    lifecycle.spawn("bridge monitor", async move {
        stopping.run_until_cancelled(watch(&db, &sources)).await;
    });
}

async fn watch(db: &DatabaseConnection, sources: &Sources) -> ! {
    loop {
        if let Err(error) = look(db, sources.now()).await {
            tracing::debug!(error = explain(&error), "the copy's age is not known");
        }
        sleep(PAUSE).await;
    }
}

async fn look(db: &DatabaseConnection, now: DateTime<Utc>) -> Result<(), StoreError> {
    let state = state::load(db).await?;
    // Until the first time both are infinitely old, which every alarm notices.
    let age = |since: Option<DateTime<Utc>>| {
        let age = since.map(|since| (now - since).to_std().unwrap_or_default());
        age.map_or(f64::INFINITY, |age| age.as_secs_f64())
    };
    metrics::gauge!("task_exchange_bridge_lag_seconds").set(age(state.as_of));
    metrics::gauge!("task_exchange_bridge_compared_seconds").set(age(state.reconciled_at));
    Ok(())
}
