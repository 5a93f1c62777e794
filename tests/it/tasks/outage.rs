//! While the broker is away people go on working, and what they did is told when it is back.

use anyhow::Result;
use contracts::{
    Message as _,
    identity::Role,
    tasks::{TaskAssigned, TaskChanged, TaskCompleted},
};
use platform::config::Secret;
use tasks_service::app::command::Done;

use crate::support::{
    environment::environment,
    proxy::{Protocol, Proxy},
    tasks::Board,
};

#[tokio::test]
async fn tasks_are_filed_and_completed_without_the_broker_and_told_of_in_order_later() -> Result<()>
{
    let (_, broker) = Proxy::before(environment().amqp_url.as_str(), Protocol::Amqp).await?;
    let through = |url: &Secret| {
        let url = broker.through(url.expose());
        Secret::new(url.expect("the broker has an address"))
    };
    let board = Board::start_with(|config| config.broker.url = through(&config.broker.url)).await?;
    let performer = board.person(&[Role::Employee]).await?;

    broker.close();
    let task = board.file(performer).await?;
    board.tick();
    assert_eq!(board.complete(task, performer).await?, Done::Now);
    assert_eq!(board.database.count("outbox", "true").await?, 3);

    broker.mend();
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(board.next_raw().await?.routing_key.to_string());
    }
    assert_eq!(
        told,
        [TaskChanged::KEY, TaskAssigned::KEY, TaskCompleted::KEY]
    );
    board.finish().await
}
