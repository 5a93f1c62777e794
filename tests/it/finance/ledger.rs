//! The ledger says the same whatever the order and the number of the messages (DESIGN.md M2 to M6).

use anyhow::{Context as _, Result};
use chrono::TimeDelta;
use contracts::finance::TaskPriced;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use uuid::Uuid;

use crate::support::{
    builders::{assigned, completed, id, task_changed},
    finance::{Finance, Movement},
};

#[tokio::test]
async fn an_assignment_costs_the_fee_and_a_completion_pays_the_reward() -> Result<()> {
    let finance = Finance::start().await?;
    let (task, performer) = (id(), id());
    finance
        .broker
        .publish(&assigned(task, performer, 0))
        .await?;
    finance
        .broker
        .publish(&completed(task, performer, 60))
        .await?;
    finance.applied(2).await?;

    let price = finance.price(task).await?;
    assert!((1_000..=2_000).contains(&price.fee_cents), "{price:?}");
    assert!((2_000..=4_000).contains(&price.reward_cents), "{price:?}");
    let expected = [
        Movement::fee(task, performer, price.fee_cents, 0),
        Movement::reward(task, performer, price.reward_cents, 60),
    ];
    assert_eq!(finance.movements(performer).await?, expected);
    assert_eq!(
        finance.balance(performer).await?,
        price.reward_cents - price.fee_cents
    );
    finance.finish().await
}

#[tokio::test]
async fn a_price_is_drawn_once_and_told_once_and_is_the_same_for_every_performer() -> Result<()> {
    let finance = Finance::start().await?;
    let task = id();
    let performers: Vec<Uuid> = (0..5).map(|_| id()).collect();
    for (seconds, performer) in (0..).zip(&performers) {
        finance
            .broker
            .publish(&assigned(task, *performer, seconds))
            .await?;
    }
    finance.applied(5).await?;

    let price = finance.price(task).await?;
    for performer in performers {
        assert_eq!(finance.balance(performer).await?, -price.fee_cents);
    }
    let told = finance.next_from("tasks.finance").await?;
    let told: TaskPriced = contracts::decode(&told.data)?;
    assert_eq!(
        (told.task_uuid, told.fee_cents, told.reward_cents),
        (task, price.fee_cents, price.reward_cents)
    );
    assert_eq!(told.currency, "USD");
    finance.finish().await
}

#[tokio::test]
async fn a_price_that_another_replica_fixes_meanwhile_holds_and_is_not_told_again() -> Result<()> {
    let finance = Finance::start().await?;
    let (task, performer) = (id(), id());
    let mut replica = finance.database.owned.begin().await?;
    let fix = "INSERT INTO task_price (task_uuid, fee_cents, reward_cents, fixed_at) \
               VALUES ($1, 1111, 2222, now())";
    sqlx::query(fix).bind(task).execute(&mut *replica).await?;
    finance
        .broker
        .publish(&assigned(task, performer, 0))
        .await?;
    finance.database.until_somebody_waits().await?;
    replica.commit().await?;
    finance.applied(1).await?;
    assert_eq!(finance.balance(performer).await?, -1_111);

    let next = assigned(id(), performer, 1);
    finance.broker.publish(&next).await?;
    let told = finance.next_from("tasks.finance").await?;
    let told: TaskPriced = contracts::decode(&told.data)?;
    assert_eq!(told.task_uuid, next.task_uuid);
    finance.finish().await
}

#[tokio::test]
async fn a_task_known_only_by_a_change_gets_its_price_and_moves_no_money() -> Result<()> {
    let finance = Finance::start().await?;
    let changed = task_changed();
    finance.broker.publish(&changed).await?;
    finance.applied(1).await?;

    finance.price(changed.task_uuid).await?;
    assert_eq!(finance.database.count("transfer", "true").await?, 0);
    finance.next_from("tasks.finance").await?;
    finance.finish().await
}

#[tokio::test]
async fn a_completion_before_any_assignment_is_booked_at_once() -> Result<()> {
    let finance = Finance::start().await?;
    let (task, performer) = (id(), id());
    finance
        .broker
        .publish(&completed(task, performer, 60))
        .await?;
    finance.applied(1).await?;
    let reward = finance.price(task).await?.reward_cents;
    assert_eq!(finance.balance(performer).await?, reward);

    finance
        .broker
        .publish(&assigned(task, performer, 0))
        .await?;
    finance.applied(2).await?;
    let fee = finance.price(task).await?.fee_cents;
    assert_eq!(finance.balance(performer).await?, reward - fee);
    finance.finish().await
}

#[tokio::test]
async fn every_fact_is_booked_once_however_often_and_in_whatever_order_it_is_told() -> Result<()> {
    const TASKS: usize = 40;
    let finance = Finance::start().await?;
    let mut rng = StdRng::seed_from_u64(7);
    let performers: Vec<Uuid> = (0..4).map(|_| id()).collect();
    let mut sent = Vec::new();
    for _ in 0..TASKS {
        let task = id();
        let [first, last] = [0, 1].map(|_| performers[rng.random_range(0..performers.len())]);
        // Up to five times each: the same message again, or the same fact under a new message id.
        for _ in 0..rng.random_range(1..=5) {
            sent.push(Told::Assigned(assigned(task, first, 0)));
        }
        for _ in 0..rng.random_range(1..=5) {
            sent.push(Told::Assigned(assigned(task, last, 10)));
        }
        for _ in 0..rng.random_range(1..=5) {
            sent.push(Told::Completed(completed(task, last, 20)));
        }
    }
    sent.shuffle(&mut rng);
    for told in &sent {
        let message_id = id();
        told.publish(&finance, message_id).await?;
        if rng.random_bool(0.3) {
            told.publish(&finance, message_id).await?;
        }
    }
    finance.applied(sent.len()).await?;

    assert_eq!(
        finance.database.count("task_price", "true").await?,
        i64::try_from(TASKS)?
    );
    assert_eq!(
        finance.database.count("transfer", "kind = 'fee'").await?,
        i64::try_from(2 * TASKS)?
    );
    assert_eq!(
        finance
            .database
            .count("transfer", "kind = 'reward'")
            .await?,
        i64::try_from(TASKS)?
    );
    assert_eq!(finance.parked().await?, Vec::<String>::new());
    finance.finish().await
}

/// A message of the shuffle.
enum Told {
    Assigned(contracts::tasks::TaskAssigned),
    Completed(contracts::tasks::TaskCompleted),
}

impl Told {
    async fn publish(&self, finance: &Finance, message_id: Uuid) -> Result<()> {
        match self {
            Self::Assigned(message) => finance.broker.publish_as(message_id, message).await,
            Self::Completed(message) => finance.broker.publish_as(message_id, message).await,
        }
    }
}

#[tokio::test]
async fn a_service_that_stops_on_the_way_and_starts_again_books_every_fact_once() -> Result<()> {
    const TASKS: usize = 300;
    let mut finance = Finance::start().await?;
    let performer = id();
    for seconds in 0..TASKS {
        let message = assigned(id(), performer, i64::try_from(seconds % 60)?);
        finance.broker.publish(&message).await?;
        if seconds % 100 == 50 {
            finance.stop().await;
            finance.resume().await?;
        }
    }
    finance.applied(TASKS).await?;
    assert_eq!(finance.movements(performer).await?.len(), TASKS);
    finance.finish().await
}

#[tokio::test]
async fn a_second_completion_by_somebody_else_is_kept_for_a_person_and_pays_nobody() -> Result<()> {
    let finance = Finance::start().await?;
    let (task, first, second) = (id(), id(), id());
    finance.broker.publish(&completed(task, first, 0)).await?;
    finance.applied(1).await?;
    finance.broker.publish(&completed(task, second, 5)).await?;

    assert_eq!(finance.parked_once().await?, "conflict");
    assert_eq!(
        finance.balance(first).await?,
        finance.price(task).await?.reward_cents
    );
    assert_eq!(finance.balance(second).await?, 0);
    finance.finish().await
}

#[tokio::test]
async fn a_message_id_met_again_with_another_body_is_kept_for_a_person() -> Result<()> {
    let finance = Finance::start().await?;
    let (task, performer, message_id) = (id(), id(), id());
    finance
        .broker
        .publish_as(message_id, &assigned(task, performer, 0))
        .await?;
    finance.applied(1).await?;
    finance
        .broker
        .publish_as(message_id, &assigned(task, performer, 1))
        .await?;

    assert_eq!(finance.parked_once().await?, "conflict");
    assert_eq!(finance.movements(performer).await?.len(), 1);
    finance.finish().await
}

#[tokio::test]
async fn money_does_not_wait_for_the_title_of_the_task() -> Result<()> {
    let finance = Finance::start().await?;
    finance.peers.go_down();
    let (task, performer) = (id(), id());
    finance
        .broker
        .publish(&assigned(task, performer, 0))
        .await?;
    finance.applied(1).await?;
    assert_eq!(
        finance.balance(performer).await?,
        -finance.price(task).await?.fee_cents
    );
    assert_eq!(finance.title(task).await?, None);

    finance.know_task(task, "Mend the roof");
    finance.peers.come_back();
    // The next try is due some time after the failed one, by the service's clock.
    finance.clock.advance(TimeDelta::minutes(5));
    finance
        .until_title(task, "Mend the roof")
        .await
        .context("the title follows")?;
    assert_eq!(finance.movements(performer).await?.len(), 1);
    finance.finish().await
}
