//! What was owed during an outage of the task board is fetched on its return without a storm (DESIGN.md section 8).

use anyhow::Result;
use chrono::TimeDelta;
use uuid::Uuid;

use crate::support::{
    builders::{id, noon},
    finance::Finance,
    waiting::until,
};

/// The records that are owed when the board comes back.
const OWED: usize = 10_000;

#[tokio::test]
async fn ten_thousand_owed_titles_are_fetched_on_return_within_the_limits() -> Result<()> {
    let finance = Finance::start().await?;
    finance.peers.go_down();
    let tasks: Vec<Uuid> = (0..OWED).map(|_| id()).collect();
    for task in &tasks {
        finance.know_task(*task, "Owed");
    }
    let sql = "INSERT INTO fetch_pending (kind, entity_id, event_ts, next_at, noted_at) \
               SELECT 'task', id, $2, $2, $2 FROM unnest($1::uuid[]) AS owed(id)";
    let insert = sqlx::query(sql).bind(&tasks).bind(noon());
    insert.execute(&finance.database.owned).await?;

    let load = finance.peers.load();
    until("the breaker has opened", || async {
        Ok(load.requests() >= 5)
    })
    .await?;
    let during_the_outage = load.requests();
    assert!(
        during_the_outage <= 20,
        "{during_the_outage} requests to a board that is away"
    );

    finance.peers.come_back();
    until("every title is known", || async {
        // Each note waits for its own pause, by the service's clock.
        finance.clock.advance(TimeDelta::seconds(10));
        Ok(finance.database.count("task_cache", "true").await? == i64::try_from(OWED)?)
    })
    .await?;
    let on_return = load.requests() - during_the_outage;
    assert!(on_return <= 60, "{on_return} requests for {OWED} records");
    assert!(load.most_at_once() <= 8, "{} at once", load.most_at_once());
    assert!(
        load.most_in_a_second() <= 100,
        "{} in a second",
        load.most_in_a_second()
    );
    finance.finish().await
}
