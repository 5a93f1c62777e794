//! Which message was already applied by which queue (DESIGN.md section 8).
//!
//! Rows are written in the transaction of the effect, so a message that comes again changes nothing.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, FromQueryResult,
    Statement,
};
use uuid::Uuid;

use crate::{lifecycle::Lifecycle, sources::Sources};

/// How long a row is kept: longer than any message can be on its way.
const KEPT: Duration = Duration::from_hours(14 * 24);

/// The pause between two clean-ups.
const PRUNE_PAUSE: Duration = Duration::from_hours(1);

/// Rows removed in one transaction, so that no clean-up holds the table up.
const PRUNE_ROWS: i64 = 10_000;

/// A message as the inbox knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub message_id: Uuid,
    /// SHA-256 of its body.
    pub digest: [u8; 32],
}

/// What the inbox says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Not seen before.
    Fresh,
    /// Applied before.
    Duplicate,
    /// Its id was seen before with another body.
    Conflict,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    message_id: Uuid,
    digest: Vec<u8>,
}

/// Notes messages of `consumer` and says of each, in order, whether it is new.
///
/// # Errors
/// Those of the database.
pub async fn register(
    txn: &DatabaseTransaction,
    consumer: &str,
    entries: &[Entry],
    now: DateTime<Utc>,
) -> Result<Vec<Seen>, DbErr> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let firsts = first_of_each_id(entries);
    let fresh = insert(txn, consumer, &firsts, now).await?;
    let known: Vec<Uuid> = firsts
        .into_keys()
        .filter(|id| !fresh.contains(id))
        .collect();
    let before = stored(txn, consumer, known).await?;
    Ok(judge(entries, before))
}

/// One statement must not meet a key twice, and replicas that insert in the same order cannot deadlock.
fn first_of_each_id(entries: &[Entry]) -> BTreeMap<Uuid, [u8; 32]> {
    let mut firsts = BTreeMap::new();
    for entry in entries {
        firsts.entry(entry.message_id).or_insert(entry.digest);
    }
    firsts
}

/// Compares with what was known before the batch, and within the batch with the first of an id.
fn judge(entries: &[Entry], before: HashMap<Uuid, Vec<u8>>) -> Vec<Seen> {
    let mut known = before;
    let judge_one = |entry: &Entry| match known.get(&entry.message_id) {
        None => {
            known.insert(entry.message_id, entry.digest.to_vec());
            Seen::Fresh
        }
        Some(digest) if *digest == entry.digest => Seen::Duplicate,
        Some(_) => Seen::Conflict,
    };
    entries.iter().map(judge_one).collect()
}

async fn insert(
    txn: &DatabaseTransaction,
    consumer: &str,
    firsts: &BTreeMap<Uuid, [u8; 32]>,
    now: DateTime<Utc>,
) -> Result<HashSet<Uuid>, DbErr> {
    let sql = "INSERT INTO inbox (message_id, consumer, digest, received_at) \
               SELECT m.id, $1, m.digest, $2 FROM unnest($3::uuid[], $4::bytea[]) AS m(id, digest) \
               ON CONFLICT DO NOTHING RETURNING message_id";
    let ids: Vec<Uuid> = firsts.keys().copied().collect();
    let digests: Vec<Vec<u8>> = firsts.values().map(|digest| digest.to_vec()).collect();
    let values = [consumer.into(), now.into(), ids.into(), digests.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let rows = txn.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

async fn stored(
    txn: &DatabaseTransaction,
    consumer: &str,
    ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, Vec<u8>>, DbErr> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "SELECT message_id, digest FROM inbox WHERE consumer = $1 AND message_id = ANY($2)";
    let values = [consumer.into(), ids.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let rows = Row::find_by_statement(statement).all(txn).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.message_id, row.digest))
        .collect())
}

/// Removes old rows now and then; every replica may do it.
pub fn spawn_prune(lifecycle: &Lifecycle, db: DatabaseConnection, sources: Sources) {
    let stopping = lifecycle.stopping();
    lifecycle.spawn("inbox clean-up", async move {
        loop {
            match prune(&db, sources.now() - KEPT).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "old inbox rows were removed"),
                Err(error) => tracing::warn!(%error, "the inbox cannot be cleaned up"),
            }
            tokio::select! {
                () = tokio::time::sleep(PRUNE_PAUSE) => {}
                () = stopping.cancelled() => return,
            }
        }
    });
}

/// Removes rows received before `cutoff`, a part at a time, and returns how many.
///
/// # Errors
/// Those of the database.
pub async fn prune(db: &DatabaseConnection, cutoff: DateTime<Utc>) -> Result<u64, DbErr> {
    let sql = "DELETE FROM inbox WHERE ctid = ANY(ARRAY(SELECT ctid FROM inbox \
               WHERE received_at < $1 LIMIT $2))";
    let mut removed = 0;
    loop {
        let values = [cutoff.into(), PRUNE_ROWS.into()];
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        let rows = db.execute_raw(statement).await?.rows_affected();
        removed += rows;
        if rows == 0 {
            return Ok(removed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u128, body: u8) -> Entry {
        Entry {
            message_id: Uuid::from_u128(id),
            digest: [body; 32],
        }
    }

    #[test]
    fn a_batch_is_judged_against_what_was_known_and_against_itself() {
        let before = HashMap::from([
            (Uuid::from_u128(1), vec![1; 32]),
            (Uuid::from_u128(2), vec![2; 32]),
        ]);
        let entries = [
            entry(1, 1),
            entry(2, 9),
            entry(3, 3),
            entry(3, 3),
            entry(3, 4),
        ];
        assert_eq!(
            judge(&entries, before),
            [
                Seen::Duplicate,
                Seen::Conflict,
                Seen::Fresh,
                Seen::Duplicate,
                Seen::Conflict
            ]
        );
    }

    #[test]
    fn rows_are_written_once_per_id_in_the_order_of_ids() {
        let firsts = first_of_each_id(&[entry(5, 1), entry(2, 2), entry(5, 3)]);
        let expected = [(Uuid::from_u128(2), [2; 32]), (Uuid::from_u128(5), [1; 32])];
        assert_eq!(firsts.into_iter().collect::<Vec<_>>(), expected);
    }
}
