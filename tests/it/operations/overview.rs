//! The overview says what is stuck and how every process is; pages and data say the same.

use anyhow::{Context as _, Result};
use contracts::tasks::TaskAssigned;
use serde_json::{Value, json};

use super::desk::Desk;
use crate::support::{
    builders::{assigned, id},
    waiting::until,
};

#[tokio::test]
async fn every_process_says_how_its_consumers_are() -> Result<()> {
    let desk = Desk::open().await?;
    until("both consumers report", || async {
        let overview = desk.read("").await?;
        let consumers = overview["replicas"][0]["state"]["consumers"]
            .as_array()
            .cloned();
        let is_read = |report: &&Value| report["phase"] == json!("consuming");
        let names: Vec<String> = consumers
            .iter()
            .flatten()
            .filter(is_read)
            .filter_map(|report| report["queue"].as_str().map(ToOwned::to_owned))
            .collect();
        Ok(["finance.auth", "finance.tasks"]
            .iter()
            .all(|name| names.iter().any(|n| n == name)))
    })
    .await?;
    let overview = desk.read("").await?;
    let queue = &overview["queues"][1];
    assert_eq!(queue["queue"], json!("finance.tasks"));
    assert_eq!(
        queue["depth"],
        json!({"ready": 0, "retrying": 0, "dead": 0, "consumers": 1})
    );
    assert_eq!(queue["halted"], json!([]));
    let peers = overview["replicas"][0]["state"]["peers"]
        .as_array()
        .context("peers")?;
    let names: Vec<&Value> = peers.iter().map(|peer| &peer["peer"]).collect();
    assert_eq!(names, [&json!("auth"), &json!("tasks")]);
    desk.service.finish().await
}

#[tokio::test]
async fn the_last_hour_counts_what_was_sent() -> Result<()> {
    let desk = Desk::open().await?;
    desk.service
        .broker
        .publish(&assigned(id(), id(), 0))
        .await?;
    until("the price is counted", || async {
        Ok(desk.read("").await?["outbox"]["sent_lately"] == json!(1))
    })
    .await?;
    let outbox = desk.read("").await?["outbox"].clone();
    assert_eq!(outbox["waiting"], json!(0));
    assert!(outbox["last_sent_at"].is_string());
    desk.service.finish().await
}

#[tokio::test]
async fn a_parked_message_is_shown_with_its_headers_and_its_whole_body() -> Result<()> {
    let desk = Desk::open().await?;
    let (message, parked) = desk.park_early().await?;
    let overview = desk.page("").await?;
    for words in [
        "<h1>Operations</h1>",
        "tasks.task.assigned",
        "finance.tasks",
        "Retry all",
    ] {
        assert!(overview.contains(words), "{words}");
    }
    assert!(overview.contains(&format!("/finance/operations/parked/{parked}")));
    let page = desk.page(&format!("/parked/{parked}")).await?;
    for words in [
        "content_type",
        "Edit and retry",
        "Discard",
        &message.task_uuid.to_string(),
    ] {
        assert!(page.contains(words), "{words}");
    }
    let body = desk.page(&format!("/parked/{parked}/body")).await?;
    assert_eq!(serde_json::from_str::<TaskAssigned>(&body)?, message);
    desk.done(
        &format!("/parked/{parked}/discard"),
        &[("reason", "seen enough")],
    )
    .await?;
    let audit = desk.page("/audit").await?;
    assert!(
        audit.contains("Discarded")
            && audit.contains("seen enough")
            && audit.contains("Ann Archer")
    );
    desk.service.finish().await
}

#[tokio::test]
async fn owed_fetches_say_how_far_a_copy_is_behind() -> Result<()> {
    let desk = Desk::open().await?;
    desk.service.peers.go_down();
    let task = id();
    desk.service.know_task(task, "Mend the roof");
    desk.service
        .broker
        .publish(&assigned(task, id(), 0))
        .await?;
    until("the fetch is owed", || async {
        let copies = desk.read("").await?["copies"].clone();
        Ok(copies[1]["name"] == json!("Tasks") && copies[1]["owed"] == json!(1))
    })
    .await?;
    assert!(desk.read("").await?["copies"][1]["oldest_owed"].is_string());
    desk.service.peers.come_back();
    // The next attempt is due by the service's clock.
    desk.let_time_pass();
    desk.service.until_title(task, "Mend the roof").await?;
    assert_eq!(desk.read("").await?["copies"][1]["rows"], json!(1));
    desk.service.finish().await
}
