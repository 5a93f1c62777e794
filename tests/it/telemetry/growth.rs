//! No table grows for ever: what has had its time is removed, what has not stays.

use std::collections::BTreeSet;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use migrations::Database;
use platform::{auth::expiry, inbox, parked};
use uuid::Uuid;

use crate::support::{
    builders::{id, noon},
    database::TestDatabase,
    workspace,
};

/// The page that says how long each table keeps its rows.
const PAGE: &str = "docs/operations.md";

fn days(days: i64) -> DateTime<Utc> {
    noon() + TimeDelta::days(days)
}

/// An id as a publisher of ours made it then.
fn id_of(at: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(at.timestamp_millis()).expect("it is after 1970");
    uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid()
}

async fn receive(database: &TestDatabase, message: Uuid, at: DateTime<Utc>) -> Result<()> {
    let sql =
        "INSERT INTO inbox (message_id, consumer, digest, received_at) VALUES ($1, 'q', '', $2)";
    let insert = sqlx::query(sql).bind(message).bind(at);
    insert.execute(&database.owned).await?;
    Ok(())
}

async fn received(database: &TestDatabase) -> Result<BTreeSet<Uuid>> {
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT message_id FROM inbox")
        .fetch_all(&database.owned)
        .await?;
    Ok(ids.into_iter().collect())
}

#[tokio::test]
async fn the_inbox_forgets_a_message_two_weeks_after_it_came() -> Result<()> {
    let database = TestDatabase::create(Database::Finance).await?;
    let db = database.connect().await?;
    let (old, young) = (id_of(days(0)), id_of(days(2)));
    let delayed = id_of(days(-30));
    let foreign = Uuid::from_u128(u128::MAX / 3 * 2);
    receive(&database, old, days(0)).await?;
    receive(&database, young, days(2)).await?;
    receive(&database, delayed, days(2)).await?;
    receive(&database, foreign, days(0)).await?;

    assert_eq!(inbox::prune(&db, days(13)).await?, 0);
    assert_eq!(inbox::prune(&db, days(15)).await?, 2);
    let left = BTreeSet::from([young, delayed]);
    assert_eq!(
        received(&database).await?,
        left,
        "by receipt, not by the age of the id alone"
    );
    assert_eq!(inbox::prune(&db, days(17)).await?, 2);
    db.close().await?;
    database.remove().await
}

#[tokio::test]
async fn more_than_one_batch_of_old_rows_is_removed_at_once() -> Result<()> {
    let database = TestDatabase::create(Database::Finance).await?;
    let db = database.connect().await?;
    let sql = "INSERT INTO inbox (message_id, consumer, digest, received_at) \
               SELECT (lpad(to_hex((extract(epoch FROM $1)::bigint * 1000) + n), 12, '0') \
               || '70008000000000000000')::uuid, c, ''::bytea, $1 \
               FROM generate_series(1, 12000) n, (VALUES ('a'), ('b')) AS consumers(c)";
    let insert = sqlx::query(sql).bind(days(0));
    insert.execute(&database.owned).await?;
    assert_eq!(inbox::prune(&db, days(15)).await?, 24_000);
    assert_eq!(database.count("inbox", "true").await?, 0);
    db.close().await?;
    database.remove().await
}

#[tokio::test]
async fn a_parked_message_goes_three_months_after_it_was_decided_on_and_never_before() -> Result<()>
{
    let database = TestDatabase::create(Database::Tasks).await?;
    let db = database.connect().await?;
    for (state, resolved_at) in [
        ("parked", None),
        ("retried", Some(days(0))),
        ("discarded", Some(days(5))),
    ] {
        let sql = "INSERT INTO parked_message (id, queue, routing_key, kind, reason, attempts, headers, \
                   properties, body, digest, parked_at, state, resolved_at) \
                   VALUES ($1, 'q', 'k', 'failed', '', 1, '{}', '{}', '', '', $2, $3, $4)";
        let insert = sqlx::query(sql)
            .bind(id())
            .bind(days(-100))
            .bind(state)
            .bind(resolved_at);
        insert.execute(&database.owned).await?;
    }
    assert_eq!(parked::KEPT.prune(&db, days(89)).await?, 0);
    assert_eq!(parked::KEPT.prune(&db, days(91)).await?, 1);
    assert_eq!(parked::KEPT.prune(&db, days(400)).await?, 1);
    assert_eq!(
        database.count("parked_message", "state = 'parked'").await?,
        1
    );
    db.close().await?;
    database.remove().await
}

#[tokio::test]
async fn sessions_logins_and_logout_tokens_go_when_they_expire() -> Result<()> {
    let database = TestDatabase::create(Database::Tasks).await?;
    let db = database.connect().await?;
    let hash = vec![1_u8; 32];
    let session = "INSERT INTO session (id_hash, user_id, sid, person, id_token, check_at, created_at, \
                   seen_at, expires_at, ends_at) VALUES ($1, $2, '', '{}', '', $3, $3, $3, $3, $3)";
    let insert = sqlx::query(session).bind(&hash).bind(id()).bind(days(1));
    insert.execute(&database.owned).await?;
    let login = "INSERT INTO login_attempt (state_hash, browser_hash, secrets, return_to, expires_at) \
                 VALUES ($1, $1, '', '', $2)";
    let insert = sqlx::query(login).bind(&hash).bind(days(1));
    insert.execute(&database.owned).await?;
    let token = "INSERT INTO spent_logout_token (jti, expires_at) VALUES ('t', $1)";
    sqlx::query(token)
        .bind(days(1))
        .execute(&database.owned)
        .await?;

    assert_eq!(expiry::remove_expired(&db, days(0)).await?, 0);
    assert_eq!(expiry::remove_expired(&db, days(1)).await?, 3);
    db.close().await?;
    database.remove().await
}

/// The rows of the page's table, as table and databases.
fn documented() -> BTreeSet<(String, String)> {
    let page = workspace::read(PAGE);
    let (_, section) = page
        .split_once("## How long things are kept")
        .expect("the page has that section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let table = cells[1].trim_matches('`').to_owned();
        let databases = cells[2].split(", ").map(str::to_owned).collect::<Vec<_>>();
        databases
            .into_iter()
            .map(move |database| (table.clone(), database))
    })
    .collect()
}

#[tokio::test]
async fn the_page_for_operators_says_of_every_table_how_long_it_keeps_its_rows() -> Result<()> {
    let mut real = BTreeSet::new();
    for (database, name) in [
        (Database::Tasks, "tasks"),
        (Database::Finance, "finance"),
        (Database::Auth, "auth"),
    ] {
        let database = TestDatabase::create(database).await?;
        let sql = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                   WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition";
        let tables: Vec<String> = sqlx::query_scalar(sql).fetch_all(&database.owned).await?;
        real.extend(tables.into_iter().map(|table| (table, name.to_owned())));
        database.remove().await?;
    }
    assert_eq!(documented(), real, "see {PAGE}");
    Ok(())
}
