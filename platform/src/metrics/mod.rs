//! Numbers about a running process for Prometheus: every name in one list, and the page that is scraped.
//!
//! Code counts with the macros of the crate `metrics`, by a name of [`METRICS`]. Labels have few,
//! known values: names of queues, peers and routes, never an id.

mod list;

use std::{sync::OnceLock, time::Duration};

use axum::http::header;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::lifecycle::Lifecycle;

pub use list::{Kind, METRICS, Metric, Unit};

/// How often samples are folded into their buckets when nobody scrapes, so that they need no room.
const UPKEEP: Duration = Duration::from_secs(5);

/// Upper bounds of the buckets of times, in seconds: from a statement to a call that ran into its
/// deadline.
const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0,
];

/// Upper bounds of the buckets of counts, up to the largest batch.
const COUNTS: [f64; 8] = [1.0, 5.0, 10.0, 50.0, 100.0, 200.0, 350.0, 500.0];

/// The recorder's reading side. The crate `metrics` has one recorder per process, hence a static.
static RECORDED: OnceLock<PrometheusHandle> = OnceLock::new();

/// Numbers that cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The list of metrics is at fault, or the process collects them already.
    #[error("metrics cannot be collected")]
    Recorder(#[from] BuildError),
}

/// Collects from now on whatever the process counts; once per process.
///
/// # Errors
/// [`MetricsError::Recorder`] on a second call.
pub fn install(lifecycle: &Lifecycle) -> Result<(), MetricsError> {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        let bounds: &[f64] = match (metric.kind, metric.unit) {
            (Kind::Counter | Kind::Gauge, _) => continue,
            (Kind::Histogram, Unit::Seconds) => &SECONDS,
            (Kind::Histogram, Unit::Count) => &COUNTS,
        };
        let name = Matcher::Full(metric.name.to_owned());
        builder = builder.set_buckets_for_metric(name, bounds)?;
    }
    let handle = builder.install_recorder()?;
    METRICS.iter().for_each(Metric::describe);
    let recorded = RECORDED.get_or_init(|| handle);
    let stopping = lifecycle.stopping();
    lifecycle.spawn("metrics", async move {
        while stopping
            .run_until_cancelled(tokio::time::sleep(UPKEEP))
            .await
            .is_some()
        {
            recorded.run_upkeep();
        }
    });
    Ok(())
}

/// `GET /metrics`: what was collected, in the text format of Prometheus; empty without [`install`].
pub(crate) async fn scrape() -> ([(header::HeaderName, &'static str); 1], String) {
    let text = RECORDED.get().map(PrometheusHandle::render);
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    (
        [(header::CONTENT_TYPE, content_type)],
        text.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_follow_the_conventions_of_prometheus() {
        let names: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            assert!(metric.name.starts_with("task_exchange_"), "{metric:?}");
            let counts = metric.kind == Kind::Counter;
            assert_eq!(metric.name.ends_with("_total"), counts, "{metric:?}");
            let seconds = metric.unit == Unit::Seconds;
            assert_eq!(metric.name.ends_with("_seconds"), seconds, "{metric:?}");
        }
    }

    #[tokio::test]
    async fn what_is_counted_is_scraped_with_its_help() {
        let lifecycle = Lifecycle::new();
        install(&lifecycle).unwrap();
        metrics::counter!("task_exchange_relay_published_total").increment(2);
        metrics::histogram!("task_exchange_consumer_batch_messages", "queue" => "q").record(7.0);
        let (_, text) = scrape().await;
        assert!(text.contains("# HELP task_exchange_relay_published_total "));
        assert!(text.contains("\ntask_exchange_relay_published_total 2\n"));
        let bucket = "task_exchange_consumer_batch_messages_bucket{queue=\"q\",le=\"10\"} 1";
        assert!(text.contains(bucket), "{text}");
        install(&lifecycle).unwrap_err();
        lifecycle.stop_and_wait().await;
    }
}
