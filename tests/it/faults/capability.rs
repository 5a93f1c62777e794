//! A broker that will not do is named in words: too old, without what is needed, or not set up.

use anyhow::{Context as _, Result, ensure};
use contracts::topology::{
    FINANCE_AUTH, FINANCE_TASKS, Publisher, TASKS_FINANCE, dead_queue, entrance, queues_exchange,
    retry_queue,
};
use platform::{
    config::Secret,
    doctor::checks,
    errors::explain,
    rabbit::{self, Broker, BrokerConfig, Introduction},
    sources::Sources,
};

use super::chain::{Chain, End};
use crate::support::{
    broker::TestBroker,
    environment::environment,
    proxy::{Protocol, Proxy},
    waiting::until,
};

/// finance's settings for the broker, and the link they lead through.
async fn link(broker: &TestBroker) -> Result<(BrokerConfig, Proxy)> {
    let (url, proxy) = Proxy::before(&broker.url(Publisher::Finance), Protocol::Amqp).await?;
    let config = BrokerConfig {
        url: Secret::new(url.clone()),
        setup_url: Some(Secret::new(url)),
    };
    Ok((config, proxy))
}

/// What `doctor` says of the broker; nothing when all is well.
async fn diagnosis(config: &BrokerConfig) -> Option<String> {
    let found = checks::broker(config, Publisher::Finance, &Sources::system()).await;
    found.err().map(|fault| explain(&fault))
}

async fn introduction(config: &BrokerConfig) -> Result<Introduction> {
    let broker = Broker::try_new(config, Publisher::Finance, &Sources::system())?;
    Ok(broker.introduction().await?)
}

/// A version as long as `version` that is too old.
fn too_old(version: &str) -> String {
    let padding = "0".repeat(version.len() - "3.9.".len());
    format!("3.9.{padding}")
}

#[tokio::test]
async fn the_broker_of_this_run_will_do_and_is_the_one_that_was_asked_for() -> Result<()> {
    let broker = TestBroker::create().await?;
    let (config, _link) = link(&broker).await?;
    ensure!(diagnosis(&config).await.is_none());
    let version = introduction(&config).await?.version;
    let is_four = environment().name == "faults-broker4";
    ensure!(version.starts_with("4.") == is_four, "{version}");
    broker.remove().await
}

#[tokio::test]
async fn a_broker_that_is_too_old_is_refused_by_doctor_and_by_the_set_up() -> Result<()> {
    let broker = TestBroker::create().await?;
    let (config, link) = link(&broker).await?;
    let version = introduction(&config).await?.version;
    link.disguise(&version, &too_old(&version));

    for said in [
        diagnosis(&config).await.context("doctor is not content")?,
        explain(&rabbit::declare(&config).await.expect_err("it is too old")),
    ] {
        ensure!(said.contains("3.10 or newer is needed"), "{said}");
    }
    broker.remove().await
}

#[tokio::test]
async fn a_broker_that_lacks_an_extension_is_refused_with_its_name() -> Result<()> {
    let broker = TestBroker::create().await?;
    let (config, link) = link(&broker).await?;
    link.disguise("consumer_cancel_notify", "consumer_cancel_nobody");

    let said = diagnosis(&config).await.context("doctor is not content")?;
    ensure!(said.contains("it has no consumer_cancel_notify"), "{said}");
    broker.remove().await
}

#[tokio::test]
async fn a_queue_that_is_missing_is_named() -> Result<()> {
    let broker = TestBroker::create().await?;
    let (config, _link) = link(&broker).await?;
    let queue = retry_queue(FINANCE_AUTH.name, 5_000);
    broker.delete(&queue).await?;

    let said = diagnosis(&config).await.context("doctor is not content")?;
    ensure!(
        said.contains(&format!("there is no queue {queue}")),
        "{said}"
    );
    ensure!(
        said.contains("`migrate` declares what is missing"),
        "{said}"
    );
    broker.remove().await
}

#[tokio::test]
async fn a_service_says_at_start_that_its_broker_will_not_do() -> Result<()> {
    let mut chain = Chain::prepare().await?;
    let (config, _link) = link(&chain.broker).await?;
    let version = introduction(&config).await?.version;
    chain.finance.broker.disguise(&version, &too_old(&version));
    chain.tasks.service.start()?;
    chain.finance.service.start()?;
    until("it says so", || async {
        Ok(chain.finance.service.has_said("3.10 or newer is needed") > 0)
    })
    .await?;
    chain.send(5).await?;
    chain.finish().await
}

/// Starts both services, of whose exchanges or queues one each is gone, and demands that each says so and
/// works as soon as it is declared.
async fn each_says_at_start(mut chain: Chain, missing: [(End, &str); 2]) -> Result<()> {
    for (end, _) in missing {
        chain.node_mut(end).service.start()?;
    }
    for (end, words) in missing {
        let service = &chain.node(end).service;
        until(&format!("{end:?} says: {words}"), || async {
            Ok(service.has_said(words) > 0)
        })
        .await
        .with_context(|| service.log_tail())?;
    }
    for (end, words) in missing {
        let of_nobody_else = chain.node(end.other()).service.has_said(words) == 0;
        ensure!(
            of_nobody_else,
            "{words} is no business of {:?}",
            end.other()
        );
    }
    chain.broker.declare().await?;
    chain.send(5).await?;
    chain.finish().await
}

#[tokio::test]
async fn each_service_says_at_start_which_queue_is_missing() -> Result<()> {
    let chain = Chain::prepare().await?;
    let of_finance = dead_queue(FINANCE_TASKS.name);
    chain.broker.delete(TASKS_FINANCE.name).await?;
    chain.broker.delete(&of_finance).await?;
    let of_tasks = format!("there is no queue {}", TASKS_FINANCE.name);
    let of_finance = format!("there is no queue {of_finance}");
    let missing = [(End::Tasks, &*of_tasks), (End::Finance, &*of_finance)];
    each_says_at_start(chain, missing).await
}

#[tokio::test]
async fn each_service_says_at_start_which_exchange_is_missing() -> Result<()> {
    let chain = Chain::prepare().await?;
    let (of_tasks, of_finance) = (
        entrance(Publisher::Tasks),
        queues_exchange(Publisher::Finance),
    );
    chain.broker.delete_exchange(&of_tasks).await?;
    chain.broker.delete_exchange(&of_finance).await?;
    let [of_tasks, of_finance] =
        [of_tasks, of_finance].map(|exchange| format!("there is no exchange {exchange}"));
    let missing = [(End::Tasks, &*of_tasks), (End::Finance, &*of_finance)];
    each_says_at_start(chain, missing).await
}
