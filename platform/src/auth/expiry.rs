//! Removes sessions, logins and logout tokens whose time is over, and counts who is logged in.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use crate::{prune::Kept, sql::statement};

const SESSIONS: Kept = Kept {
    table: "session",
    time: Duration::ZERO,
    sql: "DELETE FROM session WHERE id_hash IN \
          (SELECT id_hash FROM session WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
};

const LOGINS: Kept = Kept {
    table: "login_attempt",
    time: Duration::ZERO,
    sql: "DELETE FROM login_attempt WHERE state_hash IN \
          (SELECT state_hash FROM login_attempt WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
};

const LOGOUT_TOKENS: Kept = Kept {
    table: "spent_logout_token",
    time: Duration::ZERO,
    sql: "DELETE FROM spent_logout_token WHERE jti IN \
          (SELECT jti FROM spent_logout_token WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
};

/// Removes what has expired by `now`, and answers how many rows that were.
///
/// # Errors
/// Those of the database.
pub async fn remove_expired(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<u64, DbErr> {
    let mut removed = 0;
    for kept in [SESSIONS, LOGINS, LOGOUT_TOKENS] {
        removed += kept.prune(db, now).await?;
    }
    Ok(removed)
}

/// Tells the metrics how many people are logged in.
pub(super) async fn count_sessions(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "SELECT count(*) FROM session WHERE expires_at > $1";
    if let Some(row) = db.query_one_raw(statement(sql, [now.into()])).await? {
        let sessions: i64 = row.try_get_by_index(0)?;
        let sessions = u32::try_from(sessions).unwrap_or(u32::MAX);
        metrics::gauge!("task_exchange_sessions").set(sessions);
    }
    Ok(())
}
