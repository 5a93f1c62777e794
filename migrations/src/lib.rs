//! The SQL of every database, embedded in the binaries that run it.
//!
//! A database is the sum of sets: `common/messaging` for all three, `common/web` for those with
//! pages, and its own folder. Versions are timestamps and unique over all sets.

use std::borrow::Cow;

use sqlx::{
    Connection, PgConnection,
    migrate::{Migrate, MigrateError, Migration, Migrator},
};

static MESSAGING: Migrator = sqlx::migrate!("./common/messaging");
static WEB: Migrator = sqlx::migrate!("./common/web");
static TASKS: Migrator = sqlx::migrate!("./tasks");
static FINANCE: Migrator = sqlx::migrate!("./finance");
static AUTH: Migrator = sqlx::migrate!("./auth");

/// The database of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// Of tasks-service.
    Tasks,
    /// Of finance-service.
    Finance,
    /// Of the auth bridge.
    Auth,
}

/// Why a database could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database does not let us in.
    #[error("the database cannot be reached with migration_url")]
    Connect(#[source] sqlx::Error),
    /// A migration failed, was changed after it ran, or is unknown to this binary.
    #[error("the database cannot be migrated")]
    Migrate(#[from] MigrateError),
}

impl Database {
    /// Every database.
    pub const ALL: [Self; 3] = [Self::Tasks, Self::Finance, Self::Auth];

    fn sets(self) -> Vec<&'static Migrator> {
        match self {
            Self::Tasks => vec![&MESSAGING, &WEB, &TASKS],
            Self::Finance => vec![&MESSAGING, &WEB, &FINANCE],
            Self::Auth => vec![&MESSAGING, &AUTH],
        }
    }

    /// All migrations of this database, oldest first.
    #[must_use]
    pub fn migrator(self) -> Migrator {
        let mut migrations: Vec<Migration> = self
            .sets()
            .into_iter()
            .flat_map(|set| set.migrations.iter().cloned())
            .collect();
        migrations.sort_by_key(|migration| migration.version);
        let mut migrator = Migrator::DEFAULT;
        migrator.migrations = Cow::Owned(migrations);
        migrator
    }

    /// Brings the database at `url`, a PostgreSQL URL of its owner, up to date.
    ///
    /// # Errors
    /// [`MigrationError`] also when the database was migrated by a newer binary.
    pub async fn migrate(self, url: &str) -> Result<(), MigrationError> {
        let mut connection = PgConnection::connect(url)
            .await
            .map_err(MigrationError::Connect)?;
        self.migrator()
            .run_direct(None, &mut connection, false)
            .await?;
        connection.close().await.map_err(MigrationError::Connect)
    }

    /// Versions that this binary has and the database at `url` lacks.
    ///
    /// # Errors
    /// [`MigrationError`] when the database cannot be asked.
    pub async fn pending(self, url: &str) -> Result<Vec<i64>, MigrationError> {
        let mut connection = PgConnection::connect(url)
            .await
            .map_err(MigrationError::Connect)?;
        let table = "_sqlx_migrations";
        let applied = connection.list_applied_migrations(table).await?;
        let pending = self
            .migrator()
            .iter()
            .map(|migration| migration.version)
            .filter(|version| applied.iter().all(|done| done.version != *version))
            .collect();
        connection.close().await.map_err(MigrationError::Connect)?;
        Ok(pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_unique_in_every_database() {
        for database in Database::ALL {
            let migrator = database.migrator();
            let versions: Vec<_> = migrator.iter().map(|m| m.version).collect();
            assert!(versions.is_sorted_by(|a, b| a < b), "{database:?}");
        }
    }
}
