//! The connection to a service's own database, and what its errors mean.

use std::{future::Future, io, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use sea_orm::{ConnAcquireErr, ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr};
use serde::Deserialize;
use sqlx::{Executor as _, PgConnection, pool::PoolConnectionMetadata};
use tokio::time::timeout;

use crate::config::Secret;

/// A connection that rested no longer than this is used without asking whether it still lives: asking costs
/// a round trip, and what was just used is hardly ever gone.
const TRUSTED: Duration = Duration::from_secs(1);

/// Settings of every session, by which PostgreSQL frees what a machine held that is gone, such as the inbox rows
/// of messages that the broker gives to another replica. It notices within some 10 seconds, also when an answer
/// was under way, where no keepalive is sent. When something in between still answers for the machine, its
/// transaction ends for being idle; nobody who is there pauses that long within one.
pub(crate) const SESSION: [(&str, &str); 6] = [
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
    ("idle_in_transaction_session_timeout", "35s"),
    // Whoever gave a statement up has closed the connection.
    ("client_connection_check_interval", "5s"),
];

/// How long a connection may take to answer when it is given back to the pool.
const RETURNED_WITHIN: Duration = Duration::from_secs(5);

/// Section `[database]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// PostgreSQL URL of the application role, which may not alter tables.
    pub url: Secret,
    /// PostgreSQL URL of the owner, used by `migrate` only.
    pub migration_url: Option<Secret>,
    /// The most connections this process keeps.
    pub max_connections: u32,
}

/// The owner's URL is needed and was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("database.migration_url is not set: altering tables needs the owner")]
pub struct NoOwner;

impl DatabaseConfig {
    /// The PostgreSQL URL of the owner.
    ///
    /// # Errors
    /// [`NoOwner`] when it is not set.
    pub fn owner_url(&self) -> Result<&str, NoOwner> {
        self.migration_url
            .as_ref()
            .map(Secret::expose)
            .ok_or(NoOwner)
    }
}

/// Opens a pool; connections are made when first needed, so a database that is down does not keep
/// the process from starting.
///
/// # Errors
/// When the URL cannot be read.
pub async fn connect(config: &DatabaseConfig) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(config.url.expose());
    options
        .max_connections(config.max_connections)
        .min_connections(1)
        .connect_lazy(true)
        .connect_timeout(Duration::from_secs(5))
        .acquire_timeout(Duration::from_secs(5))
        .idle_timeout(Duration::from_mins(5))
        .test_before_acquire_if_idle_for(TRUSTED)
        .map_sqlx_postgres_opts(|options| options.options(SESSION))
        .map_sqlx_postgres_pool_opts(|options| options.after_release(is_usable))
        .sqlx_logging(false);
    Database::connect(options).await
}

/// Whether a connection that is given back to the pool can be used again: it has to answer soon, and no
/// transaction stays open in it.
///
/// The pool itself would wait for ever for one that fell silent. And when whoever began a transaction gave up
/// before the database answered, sqlx 0.9 does not know of it (transact-rs/sqlx#4385): what others then write there
/// would be undone. Nothing was written yet, so it is ended; a `ROLLBACK` alone would warn where nothing is open.
fn is_usable(
    connection: &mut PgConnection,
    _: PoolConnectionMetadata,
) -> BoxFuture<'_, Result<bool, sqlx::Error>> {
    async {
        let ending = connection.execute(sqlx::raw_sql("BEGIN; ROLLBACK"));
        match timeout(RETURNED_WITHIN, ending).await {
            Ok(answer) => answer.map(|_| true),
            Err(elapsed) => Err(io::Error::from(elapsed).into()),
        }
    }
    .boxed()
}

/// Gives up on work of a job whose database fell silent, which looks like an answer that takes long.
///
/// # Errors
/// Those of `work`, and [`ConnAcquireErr::Timeout`] after `limit`.
pub(crate) async fn within<T, E: From<DbErr>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let silent = |_elapsed| Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout).into());
    timeout(limit, work).await.unwrap_or_else(silent)
}

/// What an error of the database calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The same work may succeed later: connection lost, deadlock, serialisation, shutting down, or a database
    /// that is not yet, or not for now, as the service needs it.
    Transient,
    /// A unique key is already taken.
    UniqueViolation,
    /// Trying again changes nothing.
    Permanent,
}

impl ErrorKind {
    /// Classifies by SQLSTATE (PostgreSQL documentation, appendix A).
    #[must_use]
    pub fn of(error: &DbErr) -> Self {
        match error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Transient,
            DbErr::Exec(RuntimeErr::SqlxError(cause))
            | DbErr::Query(RuntimeErr::SqlxError(cause)) => Self::of_sqlx(cause),
            _ => Self::Permanent,
        }
    }

    fn of_sqlx(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(cause) => cause
                .code()
                .map_or(Self::Permanent, |code| Self::of_sqlstate(&code)),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Transient,
            _ => Self::Permanent,
        }
    }

    fn of_sqlstate(code: &str) -> Self {
        match code {
            "23505" => Self::UniqueViolation,
            // Serialisation failure, deadlock, lock not available, idle transaction ended, a transaction that
            // somebody else left in its failure.
            // Read only (a primary that became a standby), no right, no such table or column: then the same
            // statement fails whatever it is given, until people have mended the database.
            "40001" | "40P01" | "55P03" | "25P03" | "25P02" | "25006" | "42501" | "42P01"
            | "42703" => Self::Transient,
            // 08 connection, 53 out of resources, 57P operator intervention, 58 system error
            _ if ["08", "53", "57P", "58"]
                .iter()
                .any(|class| code.starts_with(class)) =>
            {
                Self::Transient
            }
            _ => Self::Permanent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_are_sorted_by_what_to_do() {
        let cases = [
            ("23505", ErrorKind::UniqueViolation),
            ("40P01", ErrorKind::Transient),
            ("57P01", ErrorKind::Transient),
            ("53300", ErrorKind::Transient),
            ("57014", ErrorKind::Permanent),
            ("23514", ErrorKind::Permanent),
            ("25006", ErrorKind::Transient),
            ("42P01", ErrorKind::Transient),
            ("42601", ErrorKind::Permanent),
        ];
        for (code, kind) in cases {
            assert_eq!(ErrorKind::of_sqlstate(code), kind, "{code}");
        }
    }
}
