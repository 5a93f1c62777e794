//! What this service sent: the log that the relay keeps, counted by hour and key.

use chrono::{DateTime, Utc};
use contracts::messages::{SentCount, SentIds};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Value};
use uuid::Uuid;

use super::hours::{DIGEST_SQL, HOUR_SQL, Span, digest};
use crate::{inbox, outbox::is_for_everybody_sql, prune::Kept, sql::statement};

/// As long as the inbox of a reader, which is compared with it.
pub(crate) const KEPT: Kept = Kept {
    table: "sent_message",
    time: inbox::KEPT,
    sql: "DELETE FROM sent_message WHERE ctid = ANY(ARRAY(SELECT ctid FROM sent_message \
          WHERE message_id < (lpad(to_hex((extract(epoch FROM $1::timestamptz) * 1000)::bigint), 12, '0') \
          || repeat('0', 20))::uuid LIMIT $2))",
};

#[derive(Debug, FromQueryResult)]
struct Row {
    hour: DateTime<Utc>,
    routing_key: String,
    sent: i64,
    waiting: i64,
    digest: String,
}

/// Counts what was sent, by hour and key.
///
/// # Errors
/// Those of the database.
pub async fn counts(db: &impl ConnectionTrait, span: Span) -> Result<Vec<SentCount>, DbErr> {
    let sql = format!(
        "WITH sent AS (SELECT {HOUR_SQL} AS hour, routing_key, count(*) AS sent, {DIGEST_SQL} AS digest \
         FROM sent_message WHERE message_id >= $1 AND message_id < $2 GROUP BY 1, 2), \
         late AS (SELECT {HOUR_SQL} AS hour, routing_key, count(*) AS waiting FROM \
         (SELECT message_id, routing_key, exchange FROM outbox \
         UNION ALL SELECT message_id, routing_key, exchange FROM outbox_dead) AS unsent \
         WHERE message_id >= $1 AND message_id < $2 \
         AND {} GROUP BY 1, 2) \
         SELECT hour, routing_key, coalesce(sent, 0) AS sent, coalesce(waiting, 0) AS waiting, \
         coalesce(digest, '') AS digest FROM sent FULL JOIN late USING (hour, routing_key) \
         ORDER BY hour, routing_key",
        is_for_everybody_sql()
    );
    let (first, past) = span.ids();
    let values: [Value; 2] = [first.into(), past.into()];
    let rows = Row::find_by_statement(statement(&sql, values))
        .all(db)
        .await?;
    let count = |row: Row| SentCount {
        hour: row.hour,
        routing_key: row.routing_key,
        sent: row.sent,
        waiting: row.waiting,
        digest: digest(&row.digest),
    };
    Ok(rows.into_iter().map(count).collect())
}

/// Some of the messages behind one count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<'a> {
    /// The beginning of the hour.
    pub hour: DateTime<Utc>,
    /// The key.
    pub routing_key: &'a str,
    /// The last id of the page before.
    pub after: Option<Uuid>,
    /// How many ids at most.
    pub limit: u32,
}

/// The ids of one page, in order.
///
/// # Errors
/// Those of the database.
pub async fn ids(db: &impl ConnectionTrait, page: Page<'_>) -> Result<SentIds, DbErr> {
    let sql = "SELECT message_id FROM sent_message WHERE message_id >= $1 AND message_id < $2 \
               AND message_id > $3 AND routing_key = $4 ORDER BY message_id LIMIT $5";
    let (first, past) = Span::hour(page.hour).ids();
    let values: [Value; 5] = [
        first.into(),
        past.into(),
        page.after.unwrap_or_default().into(),
        page.routing_key.into(),
        // One more than asked for tells whether another page follows.
        (i64::from(page.limit) + 1).into(),
    ];
    let rows = db.query_all_raw(statement(sql, values)).await?;
    let read = rows.iter().map(|row| row.try_get_by_index(0));
    let mut ids: Vec<Uuid> = read.collect::<Result<_, _>>()?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let has_more = ids.len() > limit;
    ids.truncate(limit);
    let next = ids.last().copied().filter(|_| has_more);
    Ok(SentIds { ids, next })
}
