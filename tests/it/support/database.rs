//! A database of its own for each test, copied from a template that the migrations made.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use migrations::Database;
use platform::{
    config::Secret,
    db::{self, DatabaseConfig},
};
use sea_orm::DatabaseConnection;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool, error::DatabaseError,
    postgres::PgPoolOptions,
};
use tokio::time::sleep;
use url::Url;

use super::{builders::id, environment::environment, waiting::until};

/// The code of PostgreSQL for what only another role may do.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// The pause between two attempts to drop a database.
const PAUSE: Duration = Duration::from_millis(200);

/// One database of one service.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    name: String,
    owner: &'static str,
    /// Reads and writes as the owner, past every grant.
    pub(crate) owned: PgPool,
}

impl TestDatabase {
    /// Copies the template of `database`, which the first test that needs it makes.
    pub(crate) async fn create(database: Database) -> Result<Self> {
        let owner = owner_of(database);
        let template = prepare_template(database).await?;
        let name = format!("it_{owner}_{}", id().simple());
        let mut maintenance = connect(owner).await?;
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        maintenance.execute(AssertSqlSafe(create)).await?;
        maintenance.close().await?;
        let owned = PgPoolOptions::new()
            .max_connections(2)
            .connect(url(owner, &name).as_str())
            .await?;
        Ok(Self { name, owner, owned })
    }

    /// What the service connects with: as a role that owns nothing, which its owner may play.
    pub(crate) fn application_url(&self) -> String {
        let mut url = url(self.owner, &self.name);
        url.query_pairs_mut()
            .append_pair("options", &format!("-c role={}_app", self.owner));
        url.into()
    }

    /// The settings of a service on it.
    pub(crate) fn config(&self) -> DatabaseConfig {
        DatabaseConfig {
            url: Secret::new(self.application_url()),
            migration_url: None,
            max_connections: 4,
        }
    }

    /// Connects as the service itself does, with no more rights than it has.
    pub(crate) async fn connect(&self) -> Result<DatabaseConnection> {
        Ok(db::connect(&self.config()).await?)
    }

    /// Waits until a transaction waits for another.
    pub(crate) async fn until_somebody_waits(&self) -> Result<()> {
        let waits = "NOT granted AND pid IN \
                     (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
        until("somebody waits for a lock", || async {
            Ok(self.count("pg_locks", waits).await? > 0)
        })
        .await
    }

    /// What `migrate` connects with.
    pub(crate) fn owner_url(&self) -> String {
        url(self.owner, &self.name).into()
    }

    /// The number of rows in `table` that satisfy `condition`.
    pub(crate) async fn count(&self, table: &str, condition: &str) -> Result<i64> {
        let query = format!("SELECT count(*) FROM {table} WHERE {condition}");
        Ok(sqlx::query_scalar(AssertSqlSafe(query))
            .fetch_one(&self.owned)
            .await?)
    }

    /// Drops the database; one that a failed test leaves behind can be looked at.
    pub(crate) async fn remove(self) -> Result<()> {
        self.owned.close().await;
        let mut maintenance = connect(self.owner).await?;
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        // An autovacuum that is just at work there cannot be ended by an owner, and ends by itself.
        while let Err(error) = maintenance.execute(AssertSqlSafe(drop.as_str())).await {
            let code = error.as_database_error().and_then(DatabaseError::code);
            ensure!(code.as_deref() == Some(INSUFFICIENT_PRIVILEGE), error);
            sleep(PAUSE).await;
        }
        Ok(maintenance.close().await?)
    }
}

fn owner_of(database: Database) -> &'static str {
    match database {
        Database::Tasks => "tasks",
        Database::Finance => "finance",
        Database::Auth => "auth",
    }
}

/// The name of the template, made if it is missing; another set of migrations has another name.
async fn prepare_template(database: Database) -> Result<String> {
    let owner = owner_of(database);
    let template = format!("it_template_{owner}_{:016x}", fingerprint(database));
    let mut maintenance = connect(owner).await?;
    // Tests run in processes of their own: whoever holds the lock makes the template.
    maintenance
        .execute("SELECT pg_advisory_lock(hashtext('it_template'))")
        .await?;
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(&template)
            .fetch_one(&mut maintenance)
            .await?;
    if !exists {
        // Made under another name first, so that a template half made is never taken for one.
        let draft = format!("it_draft_{owner}");
        maintenance
            .execute(AssertSqlSafe(format!(
                "DROP DATABASE IF EXISTS {draft} WITH (FORCE)"
            )))
            .await?;
        maintenance
            .execute(AssertSqlSafe(format!("CREATE DATABASE {draft}")))
            .await?;
        database.migrate(url(owner, &draft).as_str()).await?;
        maintenance
            .execute(AssertSqlSafe(format!(
                "ALTER DATABASE {draft} RENAME TO {template}"
            )))
            .await?;
    }
    maintenance.close().await?;
    Ok(template)
}

fn fingerprint(database: Database) -> u64 {
    let mut hasher = DefaultHasher::new();
    for migration in database.migrator().iter() {
        migration.checksum.hash(&mut hasher);
    }
    hasher.finish()
}

/// A connection from which `owner` creates and drops databases.
async fn connect(owner: &str) -> Result<PgConnection> {
    let url = url(owner, "postgres");
    PgConnection::connect(url.as_str())
        .await
        .with_context(|| format!("cannot connect to PostgreSQL as {owner}"))
}

/// The URL of `database` for `owner`.
fn url(owner: &str, database: &str) -> Url {
    let databases = &environment().databases;
    let mut url = databases
        .get(owner)
        .unwrap_or_else(|| panic!("the environment names no database {owner}"))
        .clone();
    url.set_path(database);
    url
}
