//! Parked messages are sent again or discarded, each at most once, whatever happens at the same time.

use anyhow::{Context as _, Result};
use contracts::{Message as _, tasks::TaskAssigned, topology::FINANCE_TASKS};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::desk::{Desk, properties};
use crate::support::builders::{assigned, id};

#[tokio::test]
async fn a_message_that_is_sent_again_is_booked_once_however_often_that_is_asked_for() -> Result<()>
{
    let desk = Desk::open().await?;
    let (message, parked) = desk.park_early().await?;
    desk.let_time_pass();
    let path = format!("/parked/{parked}/retry");
    let (first, second) = tokio::join!(desk.command(&path, &[]), desk.command(&path, &[]));
    let mut statuses = [first?.status(), second?.status()];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);

    desk.service.until_movements(message.assigned_to, 1).await?;
    let again = desk.command(&path, &[]).await?;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    desk.settled().await?;
    assert_eq!(desk.service.movements(message.assigned_to).await?.len(), 1);
    assert_eq!(desk.state(parked).await?, "retried");
    let applied = format!(
        "routing_key = '{}' AND outcome = 'applied'",
        TaskAssigned::KEY
    );
    assert_eq!(desk.service.database.count("inbox", &applied).await?, 2);
    // It was not said to the world a second time.
    let copies = "routing_key <> 'finance.task.priced'";
    assert_eq!(
        desk.service.database.count("sent_message", copies).await?,
        0
    );
    let expected = (
        "retry".to_owned(),
        String::new(),
        json!({"state": "parked"}),
        json!({"state": "retried"}),
    );
    assert_eq!(desk.audit().await?, [expected]);
    desk.service.finish().await
}

#[tokio::test]
async fn a_retry_that_fails_again_is_parked_anew_and_names_the_one_before() -> Result<()> {
    let desk = Desk::open().await?;
    let (message, parked) = desk.park_early().await?;
    desk.done(&format!("/parked/{parked}/retry"), &[]).await?;
    desk.service.until_parked(2).await?;
    let anew = desk
        .only_parked(&format!("former = '{parked}' AND state = 'parked'"))
        .await?;
    let before = desk.read(&format!("/parked/{parked}")).await?;
    let after = desk.read(&format!("/parked/{anew}")).await?;
    assert_eq!(before["later"], json!(anew));
    assert_eq!(before["command"]["action"], json!("retry"));
    assert_eq!(after["former"], json!(parked));
    assert_eq!(after["message_id"], before["message_id"]);
    assert_eq!(after["routing_key"], json!(TaskAssigned::KEY));
    assert!(
        desk.page(&format!("/parked/{anew}"))
            .await?
            .contains("failed again as this one")
    );

    desk.let_time_pass();
    desk.done(&format!("/parked/{anew}/retry"), &[]).await?;
    desk.service.until_movements(message.assigned_to, 1).await?;
    desk.service.finish().await
}

#[tokio::test]
async fn an_edited_message_keeps_its_id_and_both_bodies_are_kept() -> Result<()> {
    let desk = Desk::open().await?;
    let (message, message_id) = (assigned(id(), id(), 0), id());
    let mut broken = serde_json::to_value(&message)?;
    broken["assigned_to"] = json!(42);
    let bytes = broken.to_string().into_bytes();
    desk.service
        .broker
        .publish_bytes(TaskAssigned::KEY, properties(message_id), &bytes)
        .await?;
    desk.service.until_parked(1).await?;
    let parked = desk.only_parked("kind = 'unreadable'").await?;
    let path = format!("/parked/{parked}/retry");

    let nonsense = desk.command(&path, &[("body", "{")]).await?;
    assert_eq!(nonsense.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(nonsense.text().await?.contains("This is no JSON"));
    let mended = serde_json::to_string_pretty(&message)?.replace('\n', "\r\n");
    desk.done(&path, &[("body", &mended)]).await?;
    desk.service.until_movements(message.assigned_to, 1).await?;

    let same_id = format!("message_id = '{message_id}' AND consumer = 'finance.tasks'");
    assert_eq!(desk.service.database.count("inbox", &same_id).await?, 1);
    let audit = desk.audit().await?;
    let (action, _, before, after) = audit.first().context("the command is noted")?;
    assert_eq!(action, "edit_and_retry");
    let body = |state: &Value| -> Result<Value> {
        Ok(serde_json::from_str(
            state["body"].as_str().context("a body")?,
        )?)
    };
    assert_eq!(body(before)?, broken);
    assert_eq!(body(after)?, serde_json::to_value(&message)?);
    desk.service.finish().await
}

#[tokio::test]
async fn a_copy_of_the_first_body_that_comes_after_an_edit_is_a_conflict_and_books_nothing()
-> Result<()> {
    let desk = Desk::open().await?;
    let (message, message_id) = (assigned(id(), id(), 0), id());
    let broken = b"{}".to_vec();
    let publish = || {
        desk.service
            .broker
            .publish_bytes(TaskAssigned::KEY, properties(message_id), &broken)
    };
    publish().await?;
    desk.service.until_parked(1).await?;
    let parked = desk.only_parked("kind = 'unreadable'").await?;
    let mended = serde_json::to_string(&message)?;
    desk.done(&format!("/parked/{parked}/retry"), &[("body", &mended)])
        .await?;
    desk.service.until_movements(message.assigned_to, 1).await?;
    publish().await?;
    desk.service.until_parked(2).await?;
    desk.only_parked("kind = 'conflict'").await?;
    assert_eq!(desk.service.movements(message.assigned_to).await?.len(), 1);
    desk.service.finish().await
}

#[tokio::test]
async fn another_body_under_an_applied_id_never_gets_through() -> Result<()> {
    let desk = Desk::open().await?;
    let (first, second, message_id) = (assigned(id(), id(), 0), assigned(id(), id(), 1), id());
    desk.service.broker.publish_as(message_id, &first).await?;
    desk.service.until_movements(first.assigned_to, 1).await?;
    desk.service.broker.publish_as(message_id, &second).await?;
    assert_eq!(desk.service.parked_once().await?, "conflict");
    let parked = desk.only_parked("kind = 'conflict'").await?;
    desk.done(&format!("/parked/{parked}/retry"), &[]).await?;
    desk.service.until_parked(2).await?;
    assert_eq!(desk.service.movements(second.assigned_to).await?, []);
    assert_eq!(desk.service.movements(first.assigned_to).await?.len(), 1);
    desk.service.finish().await
}

#[tokio::test]
async fn a_message_the_broker_gave_up_on_before_it_was_applied_is_booked_once_when_sent_again()
-> Result<()> {
    let desk = Desk::open().await?;
    let message = assigned(id(), id(), 0);
    desk.give_up_on(FINANCE_TASKS, id(), &message).await?;
    assert_eq!(desk.service.parked_once().await?, "dead_lettered");
    let parked = desk.only_parked("state = 'parked'").await?;
    desk.done(&format!("/parked/{parked}/retry"), &[]).await?;
    desk.service.until_movements(message.assigned_to, 1).await?;
    desk.settled().await?;
    assert_eq!(desk.service.movements(message.assigned_to).await?.len(), 1);
    desk.service.finish().await
}

#[tokio::test]
async fn a_message_the_broker_gave_up_on_after_it_was_applied_is_not_applied_again() -> Result<()> {
    let desk = Desk::open().await?;
    let message_id = id();
    let message = assigned(id(), id(), 0);
    desk.service.broker.publish_as(message_id, &message).await?;
    desk.service.until_movements(message.assigned_to, 1).await?;
    let inboxed = desk.service.database.count("inbox", "true").await?;
    desk.give_up_on(FINANCE_TASKS, message_id, &message).await?;
    assert_eq!(desk.service.parked_once().await?, "dead_lettered");
    let parked = desk.only_parked("kind = 'dead_lettered'").await?;
    desk.done(&format!("/parked/{parked}/retry"), &[]).await?;
    assert_eq!(desk.service.database.count("inbox", "true").await?, inboxed);
    desk.settled().await?;
    assert_eq!(desk.service.movements(message.assigned_to).await?.len(), 1);
    assert_eq!(desk.service.parked().await?.len(), 1);
    desk.service.finish().await
}

/// A message that waits for another cause than all others, under its parked id.
async fn park_unknown(desk: &Desk) -> Result<Uuid> {
    let body = serde_json::to_vec(&assigned(id(), id(), 0))?;
    desk.service
        .broker
        .publish_bytes("tasks.task.exploded", properties(id()), &body)
        .await?;
    desk.until_parked("kind = 'unknown_key'").await
}

#[tokio::test]
async fn a_cause_is_retried_as_a_whole_and_others_are_left() -> Result<()> {
    let desk = Desk::open().await?;
    let mut early = Vec::new();
    for _ in 0..3 {
        early.push(desk.park_early().await?.0);
    }
    park_unknown(&desk).await?;
    let overview = desk.read("").await?;
    let causes = overview["parked"].as_array().context("causes")?;
    assert_eq!(overview["parked_messages"], json!(4));
    assert_eq!(causes.len(), 2, "{causes:?}");
    let cause = desk.cause_of(3).await?;
    let listed = desk.read(&cause).await?;
    assert_eq!(
        listed["messages"].as_array().context("its messages")?.len(),
        3
    );

    desk.let_time_pass();
    let done = desk.done(&format!("{cause}/retry"), &[]).await?;
    assert_eq!(done, json!({"messages": 3, "left": 0}));
    for message in early {
        desk.service.until_movements(message.assigned_to, 1).await?;
    }
    assert_eq!(desk.read("").await?["parked_messages"], json!(1));
    desk.service.finish().await
}

#[tokio::test]
async fn a_cause_is_discarded_as_a_whole_with_a_reason_and_others_are_left() -> Result<()> {
    let desk = Desk::open().await?;
    let early = [desk.park_early().await?, desk.park_early().await?];
    let other = park_unknown(&desk).await?;
    let cause = desk.cause_of(2).await?;
    let path = format!("{cause}/discard");
    let refused = desk.command(&path, &[("reason", " ")]).await?;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(desk.read("").await?["parked_messages"], json!(3));

    let reason = [("reason", " tests of tomorrow ")];
    let done = desk.done(&path, &reason).await?;
    assert_eq!(done, json!({"messages": 2, "left": 0}));
    for (_, parked) in &early {
        assert_eq!(desk.state(*parked).await?, "discarded");
    }
    assert_eq!(desk.state(other).await?, "parked");
    let again = desk.command(&path, &reason).await?;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    let gone = desk.ask(Method::GET, &cause)?.send().await?;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    desk.noted(json!({
        "action": "discard", "subject": "parked messages of one cause", "records": 2,
        "reason": "tests of tomorrow", "before": {"state": "parked"}, "after": {"state": "discarded"},
    }))
    .await?;

    desk.let_time_pass();
    desk.settled().await?;
    for (message, _) in early {
        assert_eq!(desk.service.movements(message.assigned_to).await?, []);
    }
    desk.service.finish().await
}

#[tokio::test]
async fn retrying_all_leaves_what_cannot_be_sent_as_it_is() -> Result<()> {
    let desk = Desk::open().await?;
    let (_, of_former_queue) = desk.park_early().await?;
    sqlx::query("UPDATE parked_message SET queue = 'finance.former' WHERE id = $1")
        .bind(of_former_queue)
        .execute(&desk.service.database.owned)
        .await?;
    let (message, _) = desk.park_early().await?;
    desk.service
        .broker
        .publish_bytes(TaskAssigned::KEY, properties(id()), b"\xff\x00\xfe")
        .await?;
    desk.service.until_parked(3).await?;
    desk.let_time_pass();
    let done = desk.done("/parked/retry", &[]).await?;
    assert_eq!(done, json!({"messages": 1, "left": 2}));
    desk.service.until_movements(message.assigned_to, 1).await?;
    let no_text = "state = 'parked' AND queue = 'finance.tasks'";
    for left in [desk.only_parked(no_text).await?, of_former_queue] {
        let refused = desk.command(&format!("/parked/{left}/retry"), &[]).await?;
        assert_eq!(refused.status(), StatusCode::CONFLICT);
    }
    desk.service.finish().await
}

#[tokio::test]
async fn discarding_needs_a_reason_and_is_final() -> Result<()> {
    let desk = Desk::open().await?;
    let (message, parked) = desk.park_early().await?;
    let path = format!("/parked/{parked}/discard");
    for reason in ["", "  \t "] {
        let refused = desk.command(&path, &[("reason", reason)]).await?;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(desk.state(parked).await?, "parked");
    desk.done(&path, &[("reason", "a test of the year 2100")])
        .await?;
    desk.let_time_pass();
    for command in ["retry", "discard"] {
        let path = format!("/parked/{parked}/{command}");
        let refused = desk.command(&path, &[("reason", "again")]).await?;
        assert_eq!(refused.status(), StatusCode::CONFLICT, "{command}");
    }
    desk.settled().await?;
    assert_eq!(desk.service.movements(message.assigned_to).await?, []);
    let audit = desk.audit().await?;
    assert_eq!(audit.len(), 1);
    assert_eq!(audit[0].0, "discard");
    assert_eq!(audit[0].1, "a test of the year 2100");
    let page = desk.page(&format!("/parked/{parked}")).await?;
    assert!(page.contains("Discarded") && page.contains("a test of the year 2100"));
    desk.service.finish().await
}
