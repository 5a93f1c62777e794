//! What became of messages here: the inbox, counted by hour and key.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Value};
use uuid::Uuid;

use super::hours::{DIGEST_SQL, HOUR_SQL, Span};
use crate::sql::statement;

/// The messages of one hour and key.
#[derive(Debug, FromQueryResult)]
pub(super) struct Heard {
    pub(super) hour: DateTime<Utc>,
    pub(super) routing_key: String,
    pub(super) applied: i64,
    pub(super) ignored: i64,
    pub(super) parked: i64,
    /// As the database gives it: a text of bits.
    pub(super) digest: String,
}

/// Counts what the inbox of `queue` knows.
pub(super) async fn counts(
    db: &impl ConnectionTrait,
    queue: &str,
    span: Span,
) -> Result<Vec<Heard>, DbErr> {
    let sql = format!(
        "SELECT {HOUR_SQL} AS hour, routing_key, \
         count(*) FILTER (WHERE outcome = 'applied') AS applied, \
         count(*) FILTER (WHERE outcome = 'ignored') AS ignored, \
         count(*) FILTER (WHERE outcome = 'parked') AS parked, {DIGEST_SQL} AS digest \
         FROM inbox WHERE consumer = $1 AND message_id >= $2 AND message_id < $3 GROUP BY 1, 2"
    );
    let (first, past) = span.ids();
    let values: [Value; 3] = [queue.into(), first.into(), past.into()];
    Heard::find_by_statement(statement(&sql, values))
        .all(db)
        .await
}

/// The ids under a key from `first` up to, and without, `past`.
pub(super) async fn ids(
    db: &impl ConnectionTrait,
    queue: &str,
    routing_key: &str,
    (first, past): (Uuid, Uuid),
) -> Result<Vec<Uuid>, DbErr> {
    let sql = "SELECT message_id FROM inbox WHERE consumer = $1 AND routing_key = $2 \
               AND message_id >= $3 AND message_id < $4";
    let values: [Value; 4] = [queue.into(), routing_key.into(), first.into(), past.into()];
    let rows = db.query_all_raw(statement(sql, values)).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}
