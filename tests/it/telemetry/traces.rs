//! One task through the whole running system, and one trace through all of it.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, Result};
use contracts::{
    Message as _,
    finance::TaskPriced,
    tasks::{TaskAssigned, TaskChanged},
    topology::Publisher,
};
use lapin::types::AMQPValue;
use platform::trace::{TRACEPARENT, TraceContext};
use sqlx::PgPool;

use crate::support::{
    builders::id,
    environment::environment,
    filing::file,
    listener::{Heard, Listener},
    waiting::until,
};

/// The trace that a message names.
fn trace_of(heard: &Heard) -> Result<String> {
    let headers = heard.raw().properties.headers().as_ref();
    let value = headers.and_then(|headers| headers.inner().get(TRACEPARENT));
    let Some(AMQPValue::LongString(text)) = value else {
        anyhow::bail!("{} has no traceparent: {value:?}", heard.key());
    };
    let text = String::from_utf8_lossy(text.as_bytes()).into_owned();
    let trace = TraceContext::parse(&text).with_context(|| text.clone())?;
    Ok(trace.trace_id())
}

/// Waits until a line of a service's log has all of these words.
async fn until_logged(service: &str, words: &[&str]) -> Result<()> {
    let log = environment().logs.join(format!("{service}.log"));
    until(&format!("{service} logs {words:?}"), || async {
        let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        Ok(text
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word))))
    })
    .await
}

#[tokio::test]
async fn a_task_has_one_trace_from_the_click_to_its_price_and_its_title() -> Result<()> {
    let (said_by_tasks, said_by_finance) = (
        Listener::of(Publisher::Tasks).await?,
        Listener::of(Publisher::Finance).await?,
    );
    let click = TraceContext::root(id());
    let task = file("Follow the thread", click).await?;
    let trace = click.trace_id();
    let heard = [
        said_by_tasks.next_about(task).await?,
        said_by_tasks.next_about(task).await?,
        said_by_finance.next_about(task).await?,
    ];
    let keys: BTreeSet<&str> = heard.iter().map(Heard::key).collect();
    let expected = [TaskChanged::KEY, TaskAssigned::KEY, TaskPriced::KEY];
    assert_eq!(keys, BTreeSet::from(expected));
    for message in &heard {
        assert_eq!(trace_of(message)?, trace, "{}", message.key());
    }

    let tasks = PgPool::connect(environment().databases["tasks"].as_str()).await?;
    until("the price has come back", || async {
        let sql = "SELECT count(*) FROM price_cache WHERE task_id = $1";
        let prices: i64 = sqlx::query_scalar(sql).bind(task).fetch_one(&tasks).await?;
        Ok(prices == 1)
    })
    .await?;
    tasks.close().await;
    until_logged("tasks-service", &["POST", "answered", &trace]).await?;
    // Finance asked for the title on account of the same click.
    until_logged("tasks-service", &["/tasks/batch-get", "answered", &trace]).await
}
