//! What the pool of connections gives out was left in order by whoever had it before.

use std::time::Duration;

use anyhow::{Context as _, Result};
use migrations::Database;
use platform::{config::Secret, db};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use tokio::time::timeout;

use crate::support::{
    database::TestDatabase,
    proxy::{Moment, Protocol, Proxy, Side},
    waiting::until,
};

#[tokio::test]
async fn a_transaction_that_was_given_up_while_it_began_undoes_nothing_of_others() -> Result<()> {
    let database = TestDatabase::create(Database::Finance).await?;
    let (url, link) = Proxy::before(&database.application_url(), Protocol::Postgres).await?;
    let mut config = database.config();
    config.url = Secret::new(url);
    config.max_connections = 1;
    let db = db::connect(&config).await?;
    db.execute_unprepared("SELECT 1").await?;

    let stopped = link.stop_at(Side::After, Moment::Statement("BEGIN"), 1);
    let begun = timeout(Duration::from_millis(200), db.begin()).await;
    begun.err().context("nothing answers")?;
    stopped.reached().await?;
    link.mend();
    let write = "INSERT INTO fetch_pending (kind, entity_id, event_ts, next_at, noted_at) \
                 VALUES ('user', gen_random_uuid(), now(), now(), now())";
    db.execute_unprepared(write).await?;
    until("it is written", || async {
        Ok(database.count("fetch_pending", "true").await? == 1)
    })
    .await?;
    db.close().await?;
    database.remove().await
}
