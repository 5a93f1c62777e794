//! Empty databases with the schema of a service, so that every run starts from the same data.

use anyhow::{Context as _, Result};
use migrations::Database;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool, postgres::PgPoolOptions,
};
use url::Url;

use crate::environment::Environment;

/// A database of this run.
#[derive(Debug)]
pub(crate) struct FreshDatabase {
    name: String,
    owner_url: Url,
    /// Looks at the data past every grant.
    pub(crate) owned: PgPool,
}

impl FreshDatabase {
    /// Creates `bench_NAME` for `database`; one of an earlier run is dropped.
    pub(crate) async fn create(
        environment: &Environment,
        database: Database,
        name: &str,
    ) -> Result<Self> {
        let owner = match database {
            Database::Tasks => "tasks",
            Database::Finance => "finance",
            Database::Auth => "auth",
        };
        let name = format!("bench_{name}");
        let mut server =
            PgConnection::connect(environment.database(owner, "postgres")?.as_str()).await?;
        for sql in [
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("CREATE DATABASE {name}"),
        ] {
            server.execute(AssertSqlSafe(sql)).await?;
        }
        server.close().await?;
        let owner_url = environment.database(owner, &name)?;
        database
            .migrate(owner_url.as_str())
            .await
            .with_context(|| format!("{name} cannot be migrated"))?;
        let owned = PgPoolOptions::new()
            .max_connections(4)
            .connect(owner_url.as_str())
            .await?;
        Ok(Self {
            name,
            owner_url,
            owned,
        })
    }

    /// A connection URL as its owner.
    pub(crate) fn owner_url(&self) -> &str {
        self.owner_url.as_str()
    }

    /// The URL of a service's own database, turned to this one.
    pub(crate) fn instead_of(&self, url: &str) -> Result<String> {
        let mut url = Url::parse(url)?;
        url.set_path(&self.name);
        Ok(url.into())
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> Result<u32> {
        let sql = format!("SELECT count(*) FROM {table}");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&self.owned)
            .await?;
        Ok(u32::try_from(rows)?)
    }
}
