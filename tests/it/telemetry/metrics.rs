//! Every running service is scraped, and its numbers are those of the one list, no more and no fewer.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use contracts::topology::{CONSUMER_QUEUES, Publisher, dead_queue};
use platform::{
    metrics::{Kind, METRICS, Metric, Unit},
    rabbit::queues_of,
    trace::TraceContext,
};

use crate::support::{
    builders::id, environment::environment, filing::file, http, keycloak::Keycloak,
    listener::Listener, waiting::until, workspace,
};

/// The page for those who run the system.
const PAGE: &str = "docs/operations.md";

/// What every service tells of what it says.
const OF_OUTBOX_AND_RELAY: [&str; 7] = [
    "task_exchange_outbox_waiting",
    "task_exchange_outbox_oldest_seconds",
    "task_exchange_outbox_dead",
    "task_exchange_relay_published_total",
    "task_exchange_relay_confirmed_total",
    "task_exchange_relay_refused_total",
    "task_exchange_relay_leads",
];

/// What is told of every queue that a service keeps an eye on.
const OF_QUEUES: [&str; 2] = [
    "task_exchange_queue_messages",
    "task_exchange_queue_consumers",
];

/// What is told of every subscription: to what a service consumes, and to its dead letters.
const OF_SUBSCRIPTIONS: [&str; 2] = [
    "task_exchange_consumer_received_total",
    "task_exchange_consumer_paused",
];

/// What is told of the messages of every queue that a service consumes.
const OF_CONSUMED: [&str; 4] = [
    "task_exchange_consumer_messages_total",
    "task_exchange_parked_waiting",
    "task_exchange_conciliation_missing",
    "task_exchange_conciliation_surplus",
];

/// Each service with the text that Prometheus would get of it.
async fn scraped() -> Result<Vec<(Publisher, String)>> {
    let environment = environment();
    let mut texts = Vec::new();
    for (service, api) in [
        (Publisher::Tasks, &environment.tasks_api_url),
        (Publisher::Finance, &environment.finance_api_url),
        (Publisher::Auth, &environment.auth_api_url),
    ] {
        let answer = http::client()?.get(api.join("/metrics")?).send().await?;
        texts.push((service, answer.error_for_status()?.text().await?));
    }
    Ok(texts)
}

/// The names in `# TYPE` lines, which stand before the values of each metric.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
}

/// The queues of which each number is told, by the name of the series.
fn queues_told(text: &str) -> BTreeMap<&str, BTreeSet<String>> {
    let mut told: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, labels)) = line.split_once('{')
            && let Some((_, value)) = labels.split_once("queue=\"")
            && let Some((queue, _)) = value.split_once('"')
        {
            told.entry(name).or_default().insert(queue.to_owned());
        }
    }
    told
}

/// The queues of which a service has to tell each number, by its name.
fn queues_expected(service: Publisher) -> BTreeMap<&'static str, BTreeSet<String>> {
    let consumed = CONSUMER_QUEUES
        .into_iter()
        .filter(|queue| queue.consumer == service)
        .map(|queue| queue.name);
    let consumed: BTreeSet<String> = consumed.map(str::to_owned).collect();
    let dead = consumed.iter().map(|queue| dead_queue(queue));
    let subscriptions: BTreeSet<String> = dead.chain(consumed.iter().cloned()).collect();
    let watched = BTreeSet::from_iter(queues_of(service));
    let of = |names: &[&'static str], queues: &BTreeSet<String>| {
        let with_queues = |name: &&'static str| (*name, queues.clone());
        names.iter().map(with_queues).collect::<Vec<_>>()
    };
    [
        of(&OF_QUEUES, &watched),
        of(&OF_SUBSCRIPTIONS, &subscriptions),
        of(&OF_CONSUMED, &consumed),
    ]
    .concat()
    .into_iter()
    .collect()
}

/// Gives every service something to say: somebody comes and goes, and a task gets a price.
async fn have_all_speak() -> Result<()> {
    let (keycloak, said) = (
        Keycloak::log_in().await?,
        Listener::of(Publisher::Auth).await?,
    );
    let person = keycloak
        .create_person(&format!("it-{}", id().simple()))
        .await?;
    said.next_about(person).await?;
    keycloak.delete_person(person).await?;
    file("Count the messages", TraceContext::root(id())).await?;
    Ok(())
}

/// What the first service lacks of which not all is told; nothing when each is `complete`.
async fn lacking(complete: fn(Publisher, &str) -> Result<(), String>) -> Result<Option<String>> {
    let texts = scraped().await?;
    let mut outcomes = texts.iter().map(|(of, text)| (of, complete(*of, text)));
    Ok(outcomes.find_map(|(of, outcome)| Some(format!("{of:?} lacks {}", outcome.err()?))))
}

/// Waits until what each service tells is `complete`.
async fn until_each_is(complete: fn(Publisher, &str) -> Result<(), String>) -> Result<()> {
    let told = until("each service tells it", || async {
        Ok(lacking(complete).await?.is_none())
    })
    .await;
    told.context(lacking(complete).await?.unwrap_or_default())
}

#[tokio::test]
async fn each_service_tells_how_its_relay_does() -> Result<()> {
    have_all_speak().await?;
    until_each_is(|_, text| {
        let told: BTreeSet<&str> = names(text).collect();
        let mut expected = OF_OUTBOX_AND_RELAY.into_iter();
        match expected.find(|name| !told.contains(name)) {
            Some(missing) => Err(missing.to_owned()),
            None => Ok(()),
        }
    })
    .await
}

#[tokio::test]
async fn each_service_tells_of_all_of_its_queues() -> Result<()> {
    until_each_is(|service, text| {
        let (told, none) = (queues_told(text), BTreeSet::new());
        let mut expected = queues_expected(service).into_iter();
        let differs =
            |(name, queues): &(&str, BTreeSet<String>)| told.get(name).unwrap_or(&none) != queues;
        match expected.find(differs) {
            Some((name, queues)) => Err(format!("{name} of {queues:?} and of no other")),
            None => Ok(()),
        }
    })
    .await
}

#[tokio::test]
async fn no_service_tells_of_the_queues_of_another() -> Result<()> {
    for (service, text) in scraped().await? {
        let own = BTreeSet::from_iter(queues_of(service));
        for (name, queues) in queues_told(&text) {
            let foreign: Vec<_> = queues.difference(&own).collect();
            assert!(
                foreign.is_empty(),
                "{service:?} tells {name} of {foreign:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_services_tell_every_number_of_the_list_and_no_other() -> Result<()> {
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    until("every number of the list is told", || async {
        let texts = scraped().await?;
        let told: BTreeSet<&str> = texts.iter().flat_map(|(_, text)| names(text)).collect();
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
    for (_, text) in scraped().await? {
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
