//! Messages that cannot be handled, among others that can; foreign and broken ones; and their accounts.

use anyhow::{Result, ensure};
use contracts::{Message as _, tasks::TaskAssigned, topology::DELIVERY_LIMIT};
use lapin::BasicProperties;
use uuid::Uuid;

use super::chain::Chain;
use crate::support::{
    builders::{assigned, id},
    proxy::{Moment, Side},
    waiting::until,
};

/// From now on the database refuses a price that satisfies `condition`, so that messages of its
/// task fail on their own.
pub(super) async fn plant(chain: &Chain, condition: &str) -> Result<()> {
    let sql = format!(
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'poison'; END $$;
         CREATE TRIGGER poison BEFORE INSERT ON task_price
             FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION poison();"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&chain.finance_data.owned)
        .await?;
    Ok(())
}

/// Takes the poison away; what waits for another attempt succeeds then.
pub(super) async fn heal(chain: &Chain) -> Result<()> {
    sqlx::raw_sql("DROP TRIGGER poison ON task_price")
        .execute(&chain.finance_data.owned)
        .await?;
    Ok(())
}

/// Properties with a message id, noted as one that has to be accounted for.
fn noted(chain: &mut Chain) -> BasicProperties {
    let message_id = id();
    chain.sent.ids.insert(message_id);
    BasicProperties::default().with_message_id(message_id.to_string().into())
}

#[tokio::test]
async fn one_poisoned_task_among_many_holds_nobody_up_and_succeeds_once_it_can() -> Result<()> {
    let mut chain = Chain::prepare().await?;
    chain.tasks.service.start()?;
    chain.send(150).await?;
    let ill = *chain
        .sent
        .tasks
        .iter()
        .nth(70)
        .expect("150 tasks were sent");
    plant(&chain, &format!("NEW.task_uuid = '{ill}'")).await?;
    chain.finance.service.start()?;
    let of_the_ill = 2 + chain
        .sent
        .movements
        .iter()
        .filter(|moved| moved.1 == ill && moved.0 == "reward")
        .count();
    until("the others are applied", || async {
        Ok(chain.handled().await? == chain.sent.ids.len() - of_the_ill)
    })
    .await?;
    ensure!(chain.finance_data.count("parked_message", "true").await? == 0);

    heal(&chain).await?;
    chain.finish().await
}

#[tokio::test]
async fn garbage_and_strangers_messages_are_parked_once_although_the_process_is_killed_meanwhile()
-> Result<()> {
    let mut chain = Chain::prepare().await?;
    chain.tasks.service.start()?;
    for n in 0_u8..30 {
        let properties = noted(&mut chain);
        let body = [&[n, 0xFF, 0x00], b"{\"task_uuid\": 7".as_slice()].concat();
        chain
            .broker
            .publish_bytes(TaskAssigned::KEY, properties, &body)
            .await?;
        let properties = noted(&mut chain);
        let key = format!("tasks.task.unknown{n}");
        chain.broker.publish_bytes(&key, properties, b"{}").await?;
    }
    chain.send(10).await?;
    let parking = Moment::Statement("INSERT INTO parked_message");
    let stopped = chain.finance.database.stop_at(Side::After, parking, 1);
    chain.finance.service.start()?;
    stopped.reached().await?;
    ensure!(chain.finance_data.count("parked_message", "true").await? == 0);

    chain.finance.crash()?;
    chain.until_handled().await?;
    ensure!(chain.finance_data.count("parked_message", "true").await? == 60);
    chain.finish().await
}

#[tokio::test]
async fn a_message_that_kills_the_process_each_time_ends_parked_by_the_limit_of_the_broker()
-> Result<()> {
    let mut chain = Chain::prepare().await?;
    let properties = noted(&mut chain);
    let deadly = serde_json::to_vec(&assigned(id(), id(), 0))?;
    chain
        .broker
        .publish_bytes(TaskAssigned::KEY, properties, &deadly)
        .await?;
    for _ in 0..=DELIVERY_LIMIT {
        let noting = Moment::Statement("INSERT INTO inbox");
        let stopped = chain.finance.database.stop_at(Side::After, noting, 1);
        chain.finance.service.start()?;
        stopped.reached().await?;
        chain.finance.kill()?;
        chain.finance.mend();
    }
    chain.tasks.service.start()?;
    chain.finance.service.start()?;
    chain.send(10).await?;
    chain.until_handled().await?;
    let by_the_broker = "kind = 'dead_lettered' AND reason LIKE '%delivery_limit'";
    let parked = chain.finance_data.count("parked_message", by_the_broker);
    ensure!(parked.await? == 1);
    chain.finish().await
}

#[tokio::test]
async fn a_strangers_message_without_an_id_counts_once_although_it_is_delivered_again() -> Result<()>
{
    let mut chain = Chain::start().await?;
    chain.send(1).await?;
    chain.until_handled().await?;
    let (task, stranger): (Uuid, Uuid) = (*chain.sent.tasks.first().expect("one was sent"), id());
    let message = assigned(task, stranger, 0);
    let stopped = chain
        .finance
        .broker
        .stop_at(Side::Before, Moment::Acknowledge, 1);
    let body = serde_json::to_vec(&message)?;
    let plain = BasicProperties::default();
    chain
        .broker
        .publish_bytes(TaskAssigned::KEY, plain, &body)
        .await?;
    stopped.reached().await?;

    let moved = ("fee".to_owned(), task, stranger, message.timestamp);
    chain.sent.movements.insert(moved);
    chain.finance.crash()?;
    chain.send(5).await?;
    chain.finish().await
}
