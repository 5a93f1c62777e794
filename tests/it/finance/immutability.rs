//! Transfers and prices never change, whoever asks (DESIGN.md M4).

use anyhow::Result;
use migrations::Database;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::support::database::TestDatabase;

/// One price and one transfer, written by hand as the application role writes them.
const ROWS: &str = "
    INSERT INTO task_price VALUES ('019a9c7e-5a40-7000-8000-000000000001', 1000, 2000, now());
    INSERT INTO transfer (id, kind, debit_account, credit_account, amount_cents, task_uuid, employee, event_at, recorded_at, business_day)
    VALUES ('019a9c7e-5a40-7000-8000-000000000002', 'fee', 'employee', 'company', 1000,
            '019a9c7e-5a40-7000-8000-000000000001', '00000000-0000-4000-8000-000000000004', now(), now(), '2026-11-19');
";

async fn columns(connection: &mut PgConnection, table: &str) -> Result<Vec<String>> {
    let query = "SELECT column_name::text FROM information_schema.columns WHERE table_name = $1";
    Ok(sqlx::query_scalar(query)
        .bind(table)
        .fetch_all(connection)
        .await?)
}

/// Every statement that would change a row of `table` or take it away.
async fn changes(connection: &mut PgConnection, table: &str) -> Result<Vec<String>> {
    let columns = columns(connection, table).await?;
    assert!(!columns.is_empty(), "{table} has columns");
    let updates = columns
        .iter()
        .map(|column| format!("UPDATE {table} SET {column} = {column}"));
    Ok(updates
        .chain([format!("DELETE FROM {table}"), format!("TRUNCATE {table}")])
        .collect())
}

/// Asserts that each change of an append-only table fails with `sqlstate` on a connection with `url`.
async fn refuses_every_change(url: &str, sqlstate: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    for table in ["task_price", "transfer"] {
        for change in changes(&mut connection, table).await? {
            let error = connection
                .execute(AssertSqlSafe(change.as_str()))
                .await
                .expect_err(&change);
            let cause = error.as_database_error().expect("the database refused");
            assert_eq!(cause.code().as_deref(), Some(sqlstate), "{change}: {error}");
        }
    }
    Ok(connection.close().await?)
}

#[tokio::test]
async fn the_service_may_not_change_or_delete_a_price_or_a_transfer() -> Result<()> {
    let database = TestDatabase::create(Database::Finance).await?;
    let mut application = PgConnection::connect(&database.application_url()).await?;
    application.execute(ROWS).await?;
    application.close().await?;
    refuses_every_change(&database.application_url(), "42501").await?;
    database.remove().await
}

#[tokio::test]
async fn not_even_the_owner_of_the_tables_changes_a_price_or_a_transfer() -> Result<()> {
    let database = TestDatabase::create(Database::Finance).await?;
    let mut application = PgConnection::connect(&database.application_url()).await?;
    application.execute(ROWS).await?;
    application.close().await?;
    refuses_every_change(&database.owner_url(), "23001").await?;
    assert_eq!(database.count("transfer", "amount_cents = 1000").await?, 1);
    assert_eq!(database.count("task_price", "fee_cents = 1000").await?, 1);
    database.remove().await
}
