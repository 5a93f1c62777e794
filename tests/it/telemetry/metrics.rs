//! Every running service is scraped, and its numbers are those of the one list, no more and no fewer.

use std::collections::BTreeSet;

use anyhow::Result;
use platform::metrics::{Kind, METRICS, Metric, Unit};

use crate::support::{environment::environment, http, waiting::until, workspace};

/// The page for those who run the system.
const PAGE: &str = "docs/operations.md";

/// The text that Prometheus would get of each service.
async fn scraped() -> Result<Vec<String>> {
    let environment = environment();
    let mut texts = Vec::new();
    for api in [
        &environment.tasks_api_url,
        &environment.finance_api_url,
        &environment.auth_api_url,
    ] {
        let answer = http::client()?.get(api.join("/metrics")?).send().await?;
        texts.push(answer.error_for_status()?.text().await?);
    }
    Ok(texts)
}

/// The names in `# TYPE` lines, which stand before the values of each metric.
fn names(texts: &[String]) -> BTreeSet<&str> {
    let lines = texts.iter().flat_map(|text| text.lines());
    lines
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect()
}

#[tokio::test]
async fn the_services_tell_every_number_of_the_list_and_no_other() -> Result<()> {
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    until("every number of the list is told", || async {
        let texts = scraped().await?;
        let told = names(&texts);
        let unknown: Vec<_> = told.difference(&known).collect();
        assert!(unknown.is_empty(), "not in the list: {unknown:?}");
        let missing: Vec<_> = known.difference(&told).collect();
        if !missing.is_empty() {
            println!("still missing: {missing:?}");
        }
        Ok(missing.is_empty())
    })
    .await
}

#[tokio::test]
async fn labels_are_those_of_the_list_and_have_few_values() -> Result<()> {
    for text in scraped().await? {
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let labelled = lines.iter().filter_map(|line| line.split_once('{'));
        for (name, rest) in labelled {
            assert_labels(name, rest.rsplit_once('}').map_or("", |(labels, _)| labels));
        }
        assert!(lines.len() < 5_000, "{} series of one process", lines.len());
    }
    Ok(())
}

fn assert_labels(name: &str, labels: &str) {
    let told: BTreeSet<&str> = labels
        .split(',')
        .filter_map(|label| Some(label.split_once('=')?.0))
        .filter(|label| *label != "le")
        .collect();
    // A histogram's series have longer names than the metric; the longest that fits is the one.
    let metric = METRICS
        .iter()
        .filter(|metric| name.starts_with(metric.name))
        .max_by_key(|metric| metric.name.len())
        .expect("every number is in the list");
    let expected: BTreeSet<&str> = metric.labels.iter().copied().collect();
    assert_eq!(told, expected, "{name}{{{labels}}}");
    assert!(!holds_an_id(labels), "{name}{{{labels}}}");
}

/// Whether a label has a part that only an id would have.
fn holds_an_id(labels: &str) -> bool {
    labels
        .split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '-')
        .any(|part| part.parse::<uuid::Uuid>().is_ok())
}

#[test]
fn the_page_for_operators_shows_the_list() {
    let page = workspace::read(PAGE);
    let shown: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `task_exchange_"))
        .collect();
    let expected: Vec<String> = METRICS.iter().map(row).collect();
    assert_eq!(shown, expected, "the rows of {PAGE} are those of the list");
}

fn row(metric: &Metric) -> String {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let unit = match metric.unit {
        Unit::Count => "",
        Unit::Seconds => ", seconds",
    };
    let labels = metric.labels.join(", ");
    format!(
        "| `{}` | {kind}{unit} | {labels} | {} |",
        metric.name, metric.help
    )
}
