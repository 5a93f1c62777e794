//! The table `conciliation`: what the last comparison of each hour and key found.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Value};

use super::{Line, Span, hours::ON_ITS_WAY};
use crate::{prune::Kept, sql::statement};

/// Old results are of use to nobody.
pub(crate) const KEPT: Kept = Kept {
    table: "conciliation",
    time: Duration::from_hours(366 * 24),
    sql: "DELETE FROM conciliation WHERE ctid = ANY(ARRAY(SELECT ctid FROM conciliation \
          WHERE hour < $1 LIMIT $2))",
};

/// A line whose messages are missing for longer than they should; told once.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Alarm {
    /// The beginning of the hour.
    pub hour: DateTime<Utc>,
    /// The key.
    pub routing_key: String,
    /// How many are missing.
    pub missing: i64,
}

/// Keeps lines in place of what was found before, and returns those that are an alarm now: a message may
/// have left late, or a parked one may be sent again, so it has to be missing for a while.
pub(super) async fn record(
    db: &impl ConnectionTrait,
    queue: &str,
    lines: &[&Line],
    now: DateTime<Utc>,
) -> Result<Vec<Alarm>, DbErr> {
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "INSERT INTO conciliation AS c (queue, hour, routing_key, sent, waiting, applied, \
               ignored, parked, missing, surplus, checked_at, missing_since) \
               SELECT $1, l.*, $2, CASE WHEN l.missing > 0 THEN $2 END \
               FROM unnest($4::timestamptz[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], \
               $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[]) \
               AS l(hour, key, sent, waiting, applied, ignored, parked, missing, surplus) \
               ON CONFLICT (queue, hour, routing_key) DO UPDATE SET sent = excluded.sent, \
               waiting = excluded.waiting, applied = excluded.applied, ignored = excluded.ignored, \
               parked = excluded.parked, missing = excluded.missing, surplus = excluded.surplus, \
               checked_at = excluded.checked_at, \
               missing_since = CASE WHEN excluded.missing > 0 \
               THEN coalesce(c.missing_since, excluded.checked_at) END, \
               alarmed_at = CASE WHEN excluded.missing > 0 THEN coalesce(c.alarmed_at, \
               CASE WHEN c.missing_since <= $3 THEN excluded.checked_at END) END \
               RETURNING hour, routing_key, missing, coalesce(alarmed_at = $2, false) AS is_new";
    let count = |of: fn(&Line) -> i64| -> Value {
        lines
            .iter()
            .map(|line| of(line))
            .collect::<Vec<i64>>()
            .into()
    };
    let hours: Vec<DateTime<Utc>> = lines.iter().map(|line| line.hour).collect();
    let keys: Vec<String> = lines.iter().map(|line| line.routing_key.clone()).collect();
    let values = [
        queue.into(),
        now.into(),
        (now - ON_ITS_WAY).into(),
        hours.into(),
        keys.into(),
        count(|line| line.sent),
        count(|line| line.waiting),
        count(|line| line.applied),
        count(|line| line.ignored),
        count(|line| line.parked),
        count(|line| line.missing),
        count(|line| line.surplus),
    ];
    let sql =
        format!("WITH kept AS ({sql}) SELECT hour, routing_key, missing FROM kept WHERE is_new");
    Alarm::find_by_statement(statement(&sql, values))
        .all(db)
        .await
}

/// What is missing and surplus in all compared hours of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub(super) struct Totals {
    pub(super) missing: i64,
    pub(super) surplus: i64,
}

pub(super) async fn totals(
    db: &impl ConnectionTrait,
    queue: &str,
    span: Span,
) -> Result<Totals, DbErr> {
    let sql = "SELECT coalesce(sum(missing), 0)::bigint AS missing, \
               coalesce(sum(surplus), 0)::bigint AS surplus \
               FROM conciliation WHERE queue = $1 AND hour >= $2 AND hour < $3";
    let values: [Value; 3] = [queue.into(), span.from.into(), span.until.into()];
    let totals = Totals::find_by_statement(statement(sql, values))
        .one(db)
        .await?;
    totals.ok_or_else(|| DbErr::RecordNotFound("the totals of the conciliation".to_owned()))
}
