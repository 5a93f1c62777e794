//! A queue that rests is shown as paused with the reason, for as long as it rests and no longer.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use contracts::topology::FINANCE_TASKS;
use serde_json::{Value, json};

use super::desk::Desk;
use crate::support::{
    builders::{assigned, id},
    waiting::{eventually, until, within},
};

/// A service tries a batch again in hand for half a minute before it gives it back.
const HELD: Duration = Duration::from_mins(2);

/// What the overview says of the queue of tasks.
async fn shown(desk: &Desk) -> Result<Value> {
    let overview = desk.read("").await?;
    let queues = overview["queues"].as_array().context("queues")?;
    let of_tasks = |queue: &&Value| queue["queue"] == json!(FINANCE_TASKS.name);
    let found = queues.iter().find(of_tasks).context("the queue of tasks")?;
    Ok(found.clone())
}

/// Waits until so many messages wait in the queue of tasks for so many consumers.
async fn until_queued(desk: &Desk, state: (u32, u32)) -> Result<()> {
    let what = format!("{} messages wait for {} consumers", state.0, state.1);
    within(HELD, &what, || async {
        let found = desk.service.broker.state(FINANCE_TASKS.name).await?;
        Ok((found == state).then_some(()))
    })
    .await
}

/// Changes what the service may do in its database.
async fn decree(desk: &Desk, sql: &'static str) -> Result<()> {
    let database = &desk.service.database.owned;
    sqlx::query(sql).execute(database).await?;
    Ok(())
}

#[tokio::test]
async fn a_queue_whose_messages_cannot_be_noted_is_shown_paused_until_they_can_be() -> Result<()> {
    let desk = Desk::open().await?;
    until_queued(&desk, (0, 1)).await?;
    decree(&desk, "REVOKE INSERT ON inbox FROM finance_app").await?;
    let message = assigned(id(), id(), 0);
    desk.service.broker.publish(&message).await?;
    until_queued(&desk, (1, 0)).await?;

    let halted = eventually("the pause is shown", || async {
        let halted = shown(&desk).await?["halted"][0].clone();
        Ok((halted["phase"] == json!("paused")).then_some(halted))
    })
    .await?;
    let reason = "permission denied for table inbox";
    let why = halted["why"].as_str().context("the reason is shown")?;
    ensure!(why.contains(reason), "{why}");
    assert_eq!(
        shown(&desk).await?["depth"],
        json!({"ready": 1, "retrying": 0, "dead": 0, "consumers": 0})
    );
    let page = desk.page("").await?;
    for words in ["finance.tasks is paused: ", reason, "Paused</span>"] {
        ensure!(page.contains(words), "{words}");
    }

    decree(&desk, "GRANT INSERT ON inbox TO finance_app").await?;
    desk.service.until_movements(message.assigned_to, 1).await?;
    until("the pause is over", || async {
        Ok(shown(&desk).await?["halted"] == json!([]))
    })
    .await?;
    let page = desk.page("").await?;
    for words in ["finance.tasks is paused", reason, "Paused</span>"] {
        ensure!(!page.contains(words), "{words}");
    }
    assert_eq!(desk.service.parked().await?, Vec::<String>::new());
    desk.service.finish().await
}
