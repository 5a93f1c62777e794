//! The broker or the database is away: what people can do meanwhile, and that all goes on when it is back.

use anyhow::Result;
use contracts::{
    Message as _,
    identity::Role,
    tasks::{TaskAssigned, TaskChanged, TaskCompleted},
};
use platform::config::Secret;
use reqwest::{Response, StatusCode};
use tasks_service::app::command::Done;

use crate::support::{
    environment::environment,
    http,
    proxy::{Protocol, Proxy},
    tasks::Board,
    waiting::{eventually, until},
};

/// The address as it is reached through `proxy`.
fn through(proxy: &Proxy, url: &Secret) -> Secret {
    let url = proxy.through(url.expose());
    Secret::new(url.expect("a server has an address"))
}

#[tokio::test]
async fn tasks_are_filed_and_completed_without_the_broker_and_told_of_in_order_later() -> Result<()>
{
    let (_, broker) = Proxy::before(environment().amqp_url.as_str(), Protocol::Amqp).await?;
    let board = Board::start_with(|config| {
        config.broker.url = through(&broker, &config.broker.url);
    })
    .await?;
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
    // What was handled before the cut and not acknowledged comes again, and before this.
    board.person(&[Role::Employee]).await?;
    board.finish().await
}

/// The board, for somebody whose session it has to look up.
async fn look(board: &Board) -> Result<Response> {
    let url = format!("http://{}/tasks", board.listeners.pages.address);
    let session = format!("tasks_session={}", "A".repeat(43));
    Ok(http::client()?
        .get(url)
        .header("cookie", session)
        .send()
        .await?)
}

#[tokio::test]
async fn without_its_database_the_board_is_a_plain_page_and_comes_back_by_itself() -> Result<()> {
    let url = &environment().databases["tasks"];
    let (_, database) = Proxy::before(url.as_str(), Protocol::Postgres).await?;
    let board = Board::start_with(|config| {
        config.database.url = through(&database, &config.database.url);
    })
    .await?;
    assert_eq!(look(&board).await?.status(), StatusCode::SEE_OTHER);

    database.close();
    let refused = eventually("the board says that it is not available", || async {
        let answer = look(&board).await?;
        Ok((answer.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(answer))
    })
    .await?;
    assert!(refused.headers().contains_key("retry-after"));
    assert!(refused.text().await?.contains("Nothing is lost."));

    database.mend();
    until("it answers again", || async {
        Ok(look(&board).await?.status() == StatusCode::SEE_OTHER)
    })
    .await?;
    board.finish().await
}
