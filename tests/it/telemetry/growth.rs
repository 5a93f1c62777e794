//! No table grows for ever: what has had its time is removed, what has not stays.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::topology::Publisher;
use migrations::Database;
use platform::{
    auth::expiry,
    config::Secret,
    inbox,
    lifecycle::Lifecycle,
    operations::heartbeat::{self, Heart},
    parked, prune,
    rabbit::{Broker, BrokerConfig},
    sources::{ManualClock, Sources},
};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::support::{
    builders::{id, noon},
    database::TestDatabase,
    waiting::until,
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

/// A table with a way to write a row of the time `$1` and the id `$2`.
#[derive(Debug, Clone, Copy)]
struct Table {
    name: &'static str,
    /// Where the row has its id.
    id: &'static str,
    insert: &'static str,
}

/// What every service cleans up, and how many days after its time.
const CLEANED_UP: [(i64, Table); 5] = [
    (
        14,
        Table {
            name: "inbox",
            id: "message_id",
            insert: "(message_id, consumer, digest, received_at) VALUES ($2, 'q', '', $1)",
        },
    ),
    (
        14,
        Table {
            name: "sent_message",
            id: "message_id",
            insert: "(message_id, routing_key) VALUES ($2, $1::timestamptz::text)",
        },
    ),
    (
        366,
        Table {
            name: "conciliation",
            id: "routing_key::uuid",
            insert: "(queue, hour, routing_key, sent, waiting, applied, ignored, parked, missing, surplus, \
                 checked_at) VALUES ('q', $1, $2::uuid::text, 1, 0, 0, 0, 0, 1, 0, $1)",
        },
    ),
    (
        30,
        Table {
            name: "replay",
            id: "plan::uuid",
            insert: "(queue, plan, next_offset, started_at, updated_at) \
                 VALUES ('q', $2::uuid::text, 1, $1 - interval '1 year', $1)",
        },
    ),
    (
        90,
        Table {
            name: "parked_message",
            id: "id",
            insert: "(id, queue, routing_key, kind, reason, attempts, headers, properties, body, digest, \
                 parked_at, state, resolved_at) \
                 VALUES ($2, 'q', 'k', 'failed', '', 1, '{}', '{}', '', '', $1 - interval '1 year', 'retried', $1)",
        },
    ),
];

/// What no service removes by age, however old it is.
const KEPT_FOR_EVER: [Table; 5] = [
    Table {
        name: "parked_message",
        id: "id",
        insert: "(id, queue, routing_key, kind, reason, attempts, headers, properties, body, digest, parked_at) \
                 VALUES ($2, 'q', 'k', 'failed', '', 1, '{}', '{}', '', '', $1)",
    },
    Table {
        name: "operations_audit",
        id: "id",
        insert: "(id, at, actor, actor_name, action, subject, records, before, after) \
                 VALUES ($2, $1, $2, '', 'retry', '', '{}', '{}', '{}')",
    },
    Table {
        name: "outbox",
        id: "message_id",
        insert: "(message_id, exchange, routing_key, entity_id, schema_version, occurred_at, body) \
                 VALUES ($2, '', '', $2, 1, $1, '')",
    },
    Table {
        name: "outbox_dead",
        id: "message_id",
        insert: "(position, message_id, exchange, routing_key, entity_id, schema_version, occurred_at, body, \
                 attempts, last_error, died_at) VALUES (1, $2, '', '', $2, 1, $1, '', 20, '', $1)",
    },
    Table {
        name: "fetch_pending",
        id: "entity_id",
        insert: "(kind, entity_id, event_ts, next_at, noted_at) VALUES ('k', $2, $1, $1, $1)",
    },
];

impl Table {
    /// Writes a row of that time, past every grant, and answers its id.
    async fn write(&self, database: &TestDatabase, at: DateTime<Utc>) -> Result<Uuid> {
        let id = id_of(at);
        let sql = format!("INSERT INTO {} {}", self.name, self.insert);
        let insert = sqlx::query(AssertSqlSafe(sql)).bind(at).bind(id);
        insert.execute(&database.owned).await?;
        Ok(id)
    }

    /// The ids of all rows.
    async fn ids(&self, database: &TestDatabase) -> Result<BTreeSet<Uuid>> {
        let sql = format!("SELECT {} FROM {}", self.id, self.name);
        let ids: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&database.owned)
            .await?;
        Ok(ids.into_iter().collect())
    }
}

/// A clock that stands at noon.
fn at_noon() -> Sources {
    Sources::system().with_clock(Arc::new(ManualClock::new(noon())))
}

/// Lets a service clean up, with its own account: each table has to let it remove rows.
async fn clean_up(service: Database) -> Result<()> {
    let minute = TimeDelta::minutes(1);
    let database = TestDatabase::create(service).await?;
    let (mut gone, mut left) = (Vec::new(), Vec::new());
    for (kept, table) in CLEANED_UP {
        let over = days(-kept);
        gone.push((table, table.write(&database, over - minute).await?));
        left.push((table, table.write(&database, over + minute).await?));
    }
    for table in KEPT_FOR_EVER {
        left.push((table, table.write(&database, days(-4_000)).await?));
    }

    let (db, lifecycle) = (database.connect().await?, Lifecycle::new());
    prune::spawn(&lifecycle, db.clone(), at_noon());
    for (table, id) in gone {
        until(&format!("{} is cleaned up", table.name), || async {
            Ok(!table.ids(&database).await?.contains(&id))
        })
        .await?;
    }
    lifecycle.stop_and_wait().await;
    for (table, _) in &left {
        let of_table = left.iter().filter(|(other, _)| other.name == table.name);
        let expected: BTreeSet<Uuid> = of_table.map(|(_, id)| *id).collect();
        assert_eq!(
            table.ids(&database).await?,
            expected,
            "{service:?}: {table:?}"
        );
    }
    db.close().await?;
    database.remove().await
}

#[tokio::test]
async fn the_clean_up_of_each_service_takes_what_has_had_its_time_and_nothing_else() -> Result<()> {
    for service in Database::ALL {
        clean_up(service).await?;
    }
    Ok(())
}

/// A broker that nobody needs to reach.
fn no_broker(sources: &Sources) -> Result<Broker> {
    let config = BrokerConfig {
        url: Secret::new("amqp://tasks:secret@127.0.0.1:1/it"),
        setup_url: None,
    };
    Ok(Broker::try_new(&config, Publisher::Tasks, sources)?)
}

#[tokio::test]
async fn processes_that_are_gone_and_minutes_of_long_ago_are_forgotten() -> Result<()> {
    let database = TestDatabase::create(Database::Tasks).await?;
    let ago = |minutes| noon() - TimeDelta::minutes(minutes);
    let (gone, silent) = (id_of(ago(11)), id_of(ago(9)));
    for (replica, seen_at) in [(gone, ago(11)), (silent, ago(9))] {
        let sql = "INSERT INTO replica_state (replica, started_at, seen_at, state) \
                   VALUES ($1, $2, $3, '{}')";
        let insert = sqlx::query(sql).bind(replica).bind(ago(600)).bind(seen_at);
        insert.execute(&database.owned).await?;
    }
    for minute in [ago(61), ago(60), ago(59)] {
        let sql = "INSERT INTO outbox_minute (minute, sent, waiting) VALUES ($1, 1, 1)";
        sqlx::query(sql)
            .bind(minute)
            .execute(&database.owned)
            .await?;
    }

    let (db, lifecycle, sources) = (database.connect().await?, Lifecycle::new(), at_noon());
    let heart = Heart {
        db: db.clone(),
        broker: no_broker(&sources)?,
        sources,
        peers: Vec::new(),
    };
    heartbeat::spawn(&lifecycle, heart);
    until("the old minute is forgotten", || async {
        let old = format!("minute = '{}'", ago(61).to_rfc3339());
        Ok(database.count("outbox_minute", &old).await? == 0)
    })
    .await?;
    lifecycle.stop_and_wait().await;
    let replicas = "SELECT replica FROM replica_state WHERE seen_at < $1";
    let before: Vec<Uuid> = sqlx::query_scalar(replicas)
        .bind(noon())
        .fetch_all(&database.owned)
        .await?;
    assert_eq!(before, [silent], "besides the one that reports");
    let minutes: Vec<DateTime<Utc>> =
        sqlx::query_scalar("SELECT minute FROM outbox_minute ORDER BY minute")
            .fetch_all(&database.owned)
            .await?;
    assert_eq!(minutes, [ago(60), ago(59), noon()]);
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
