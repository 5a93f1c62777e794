//! Tasks shows what it could not handle and moves it on: prices of Finance and people of the auth bridge.

use anyhow::{Context as _, Result, ensure};
use contracts::{
    Message as _,
    finance::TaskPriced,
    identity::{Role, UserDeleted},
    topology::{TASKS_AUTH, TASKS_FINANCE},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::desk::{Desk, properties};
use crate::support::{
    builders::{id, priced},
    tasks::Board,
    waiting::until,
};

/// A price whose fee is no number, as it was sent and as it would be right, under both of its ids.
struct Unreadable {
    message_id: Uuid,
    parked: Uuid,
    sent: Value,
    right: TaskPriced,
}

/// Finance says what Tasks cannot read.
async fn park_unreadable(desk: &Desk<Board>) -> Result<Unreadable> {
    let (message_id, right) = (id(), priced(id(), 0));
    let mut sent = serde_json::to_value(&right)?;
    sent["fee_cents"] = json!("much");
    let body = sent.to_string().into_bytes();
    desk.service
        .broker
        .publish_bytes(TaskPriced::KEY, properties(message_id), &body)
        .await?;
    Ok(Unreadable {
        message_id,
        parked: desk.until_parked("kind = 'unreadable'").await?,
        sent,
        right,
    })
}

/// A price that the broker gave up on before Tasks had heard of it, and the id under which it is parked.
async fn park_price(desk: &Desk<Board>) -> Result<(TaskPriced, Uuid)> {
    let (message_id, price) = (id(), priced(id(), 0));
    desk.give_up_on(TASKS_FINANCE, message_id, &price).await?;
    let parked = format!("message_id = '{message_id}'");
    Ok((price, desk.until_parked(&parked).await?))
}

/// The same for the deletion of somebody whom the auth bridge goes on to show: only the message tells of it.
async fn park_deletion(desk: &Desk<Board>) -> Result<(Uuid, Uuid)> {
    let board = &desk.service;
    let (message_id, user_id) = (id(), board.person(&[Role::Employee]).await?);
    let timestamp = board.tick();
    let deleted = UserDeleted { user_id, timestamp };
    desk.give_up_on(TASKS_AUTH, message_id, &deleted).await?;
    let parked = format!("message_id = '{message_id}'");
    Ok((user_id, desk.until_parked(&parked).await?))
}

/// Whether the board knows a price, every field of it.
async fn knows_price(desk: &Desk<Board>, price: &TaskPriced) -> Result<bool> {
    let kept = format!(
        "task_id = '{}' AND fee_cents = {} AND reward_cents = {} AND currency = '{}' AND guard = '{}'",
        price.task_uuid,
        price.fee_cents,
        price.reward_cents,
        price.currency,
        price.timestamp.to_rfc3339()
    );
    Ok(desk.service.database.count("price_cache", &kept).await? == 1)
}

async fn until_price(desk: &Desk<Board>, price: &TaskPriced) -> Result<()> {
    until("the price is known", || knows_price(desk, price)).await
}

async fn is_deleted(desk: &Desk<Board>, user_id: Uuid) -> Result<bool> {
    let deleted = format!("user_id = '{user_id}' AND is_deleted");
    Ok(desk.service.database.count("user_cache", &deleted).await? == 1)
}

async fn until_deleted(desk: &Desk<Board>, user_id: Uuid) -> Result<()> {
    until("the person is deleted", || is_deleted(desk, user_id)).await
}

#[tokio::test]
async fn what_tasks_could_not_read_is_shown_with_its_cause_and_its_whole_body() -> Result<()> {
    let desk = Desk::open_at_tasks().await?;
    let unreadable = park_unreadable(&desk).await?;
    let parked = unreadable.parked;
    let overview = desk.read("").await?;
    assert_eq!(overview["parked_messages"], json!(1));
    let cause = &overview["parked"][0];
    assert_eq!(
        (&cause["queue"], &cause["routing_key"], &cause["first"]),
        (
            &json!("tasks.finance"),
            &json!(TaskPriced::KEY),
            &json!(parked)
        )
    );
    let listed = desk.read(&desk.cause_of(1).await?).await?;
    assert_eq!(listed["messages"][0]["id"], json!(parked));
    let message = desk.read(&format!("/parked/{parked}")).await?;
    assert_eq!(
        (&message["kind"], &message["state"], &message["message_id"]),
        (
            &json!("unreadable"),
            &json!("parked"),
            &json!(unreadable.message_id)
        )
    );
    let body = desk.page(&format!("/parked/{parked}/body")).await?;
    assert_eq!(body, unreadable.sent.to_string());

    let page = desk.page("").await?;
    let path = format!("/operations/parked/{parked}");
    for words in ["<h1>Operations</h1>", "tasks.finance", "Retry all", &path] {
        ensure!(page.contains(words), "{words}");
    }
    let page = desk.page(&format!("/parked/{parked}")).await?;
    let task = unreadable.right.task_uuid.to_string();
    for words in ["is not what its key promises", "Edit and retry", &task] {
        ensure!(page.contains(words), "{words}");
    }
    desk.service.finish().await
}

#[tokio::test]
async fn a_price_that_is_edited_is_kept_under_its_id() -> Result<()> {
    let desk = Desk::open_at_tasks().await?;
    let unreadable = park_unreadable(&desk).await?;
    let (parked, message_id) = (unreadable.parked, unreadable.message_id);
    let mended = serde_json::to_string_pretty(&unreadable.right)?;
    let path = format!("/parked/{parked}/retry");
    desk.done(&path, &[("body", &mended)]).await?;
    until_price(&desk, &unreadable.right).await?;

    let applied = format!(
        "message_id = '{message_id}' AND consumer = 'tasks.finance' AND outcome = 'applied'"
    );
    assert_eq!(desk.service.database.count("inbox", &applied).await?, 1);
    assert_eq!(desk.state(parked).await?, "retried");
    desk.noted(json!({
        "action": "edit_and_retry", "subject": "a parked message", "records": 1,
        "first_record": parked, "reason": "",
        "before": {"state": "parked", "body": unreadable.sent.to_string()},
        "after": {"state": "retried", "body": mended},
    }))
    .await?;
    desk.service.finish().await
}

#[tokio::test]
async fn a_deletion_that_is_sent_again_takes_effect() -> Result<()> {
    let desk = Desk::open_at_tasks().await?;
    let (user_id, parked) = park_deletion(&desk).await?;
    let (price, _) = park_price(&desk).await?;
    let path = format!("/parked/{parked}/retry");
    let done = desk.done(&path, &[]).await?;
    assert_eq!(done, json!({"messages": 1, "left": 0}));
    until_deleted(&desk, user_id).await?;

    let again = desk.command(&path, &[]).await?;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert_eq!(desk.state(parked).await?, "retried");
    ensure!(
        !knows_price(&desk, &price).await?,
        "nobody asked for the price"
    );
    desk.noted(json!({
        "action": "retry", "subject": "a parked message", "records": 1, "first_record": parked,
        "reason": "", "before": {"state": "parked"}, "after": {"state": "retried"},
    }))
    .await?;
    desk.service.finish().await
}

#[tokio::test]
async fn prices_of_one_cause_are_sent_again_together_and_another_cause_is_left() -> Result<()> {
    let desk = Desk::open_at_tasks().await?;
    let mut prices = Vec::new();
    for _ in 0..3 {
        prices.push(park_price(&desk).await?);
    }
    let (user_id, other) = park_deletion(&desk).await?;
    let path = format!("{}/retry", desk.cause_of(3).await?);
    let done = desk.done(&path, &[]).await?;
    assert_eq!(done, json!({"messages": 3, "left": 0}));
    for (price, parked) in &prices {
        until_price(&desk, price).await?;
        assert_eq!(desk.state(*parked).await?, "retried");
    }

    assert_eq!(desk.state(other).await?, "parked");
    ensure!(!is_deleted(&desk, user_id).await?, "nobody asked for it");
    let (_, first) = prices.first().context("there are prices")?;
    desk.noted(json!({
        "action": "retry", "subject": "parked messages of one cause", "records": 3,
        "first_record": first, "reason": "", "before": {"state": "parked"},
        "after": {"state": "retried"},
    }))
    .await?;
    desk.service.finish().await
}

#[tokio::test]
async fn everything_that_is_parked_is_sent_again_to_the_queue_it_came_from() -> Result<()> {
    let desk = Desk::open_at_tasks().await?;
    let prices = [park_price(&desk).await?, park_price(&desk).await?];
    let (user_id, _) = park_deletion(&desk).await?;
    let done = desk.done("/parked/retry", &[]).await?;
    assert_eq!(done, json!({"messages": 3, "left": 0}));
    for (price, _) in &prices {
        until_price(&desk, price).await?;
    }
    until_deleted(&desk, user_id).await?;

    let overview = desk.read("").await?;
    assert_eq!(overview["parked_messages"], json!(0));
    assert_eq!(overview["parked"], json!([]));
    desk.noted(json!({
        "action": "retry", "subject": "all parked messages", "records": 3, "reason": "",
        "before": {"state": "parked"}, "after": {"state": "retried"},
    }))
    .await?;
    desk.service.finish().await
}

#[tokio::test]
async fn a_price_that_is_discarded_is_never_kept_and_its_reason_is() -> Result<()> {
    let desk = Desk::open_at_tasks().await?;
    let (price, parked) = park_price(&desk).await?;
    let path = format!("/parked/{parked}/discard");
    let refused = desk.command(&path, &[("reason", " ")]).await?;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(desk.state(parked).await?, "parked");
    let reason = "the task was called off";
    let done = desk.done(&path, &[("reason", reason)]).await?;
    assert_eq!(done, json!({"messages": 1, "left": 0}));

    let retry = format!("/parked/{parked}/retry");
    let refused = desk.command(&retry, &[]).await?;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert_eq!(desk.state(parked).await?, "discarded");
    // The queue has one consumer, which goes by its order: what comes last is handled last.
    let last = priced(id(), 1);
    desk.service.broker.publish(&last).await?;
    until_price(&desk, &last).await?;
    assert_eq!(desk.service.database.count("price_cache", "true").await?, 1);
    ensure!(!knows_price(&desk, &price).await?, "it was given up");
    let page = desk.page(&format!("/parked/{parked}")).await?;
    ensure!(page.contains("Discarded") && page.contains(reason));
    desk.noted(json!({
        "action": "discard", "subject": "a parked message", "records": 1, "first_record": parked,
        "reason": reason, "before": {"state": "parked"}, "after": {"state": "discarded"},
    }))
    .await?;
    desk.service.finish().await
}
