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
    /// This binary has migrations that did not run yet.
    #[error("{0} migrations did not run yet; `migrate` runs them")]
    Pending(usize),
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

    /// Whether every migration of this binary has run on the database at `url`; the service's own role
    /// may ask.
    ///
    /// # Errors
    /// [`MigrationError::Pending`] when some did not, others when the database cannot be asked.
    pub async fn check(self, url: &str) -> Result<(), MigrationError> {
        let mut connection = PgConnection::connect(url)
            .await
            .map_err(MigrationError::Connect)?;
        let applied = connection
            .list_applied_migrations("_sqlx_migrations")
            .await?;
        connection.close().await.map_err(MigrationError::Connect)?;
        let is_pending = |version| applied.iter().all(|done| done.version != version);
        let migrator = self.migrator();
        match migrator
            .iter()
            .filter(|known| is_pending(known.version))
            .count()
        {
            0 => Ok(()),
            pending => Err(MigrationError::Pending(pending)),
        }
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
