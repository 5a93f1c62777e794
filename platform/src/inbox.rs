//! Which message was already handled by which queue (DESIGN.md section 8).
//!
//! Rows are written in the transaction of the effect, so a message that comes again changes nothing.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, FromQueryResult,
    TransactionTrait,
};
use uuid::Uuid;

use crate::{
    prune::{BATCH, Removed, Then},
    sources::Sources,
    sql::{execute, statement, storable},
};

/// How long a row is kept: longer than any message can be on its way.
pub(crate) const KEPT: Duration = Duration::from_hours(14 * 24);

/// The table.
pub const TABLE: &str = "inbox";

/// A message as the inbox knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its id.
    pub message_id: Uuid,
    /// The key under which it was first published.
    pub routing_key: &'a str,
    /// SHA-256 of its body.
    pub digest: [u8; 32],
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its effect is in the database.
    Applied,
    /// It changed nothing.
    Ignored,
    /// It is kept for a person.
    Parked,
}

impl Outcome {
    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Ignored => "ignored",
            Self::Parked => "parked",
        }
    }
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

/// Notes messages of `consumer` and says of each, in order, whether it is new. The new ones count as
/// applied until [`correct`] says otherwise.
///
/// # Errors
/// Those of the database.
pub async fn register(
    txn: &DatabaseTransaction,
    consumer: &str,
    entries: &[Entry<'_>],
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

/// Whether the inbox takes rows, which a database that only answers may refuse. Leaves none behind.
///
/// # Errors
/// Those of the database.
pub(crate) async fn probe(db: &DatabaseConnection, sources: &Sources) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    let entry = Entry {
        // Nobody else's, or two that probe would wait for each other.
        message_id: sources.new_id(),
        routing_key: "",
        digest: [0; 32],
    };
    insert(
        &txn,
        "probe",
        &BTreeMap::from([(entry.message_id, &entry)]),
        sources.now(),
    )
    .await?;
    txn.rollback().await
}

/// One statement must not meet a key twice, and replicas that insert in the same order cannot deadlock.
fn first_of_each_id<'a>(entries: &'a [Entry<'a>]) -> BTreeMap<Uuid, &'a Entry<'a>> {
    let mut firsts = BTreeMap::new();
    for entry in entries {
        firsts.entry(entry.message_id).or_insert(entry);
    }
    firsts
}

/// Compares with what was known before the batch, and within the batch with the first of an id.
fn judge(entries: &[Entry<'_>], before: HashMap<Uuid, Vec<u8>>) -> Vec<Seen> {
    let mut known = before;
    let judge_one = |entry: &Entry<'_>| match known.get(&entry.message_id) {
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
    firsts: &BTreeMap<Uuid, &Entry<'_>>,
    now: DateTime<Utc>,
) -> Result<HashSet<Uuid>, DbErr> {
    let sql = "INSERT INTO inbox (message_id, consumer, routing_key, digest, received_at) \
               SELECT m.id, $1, m.key, m.digest, $2 \
               FROM unnest($3::uuid[], $4::text[], $5::bytea[]) AS m(id, key, digest) \
               ON CONFLICT DO NOTHING RETURNING message_id";
    let ids: Vec<Uuid> = firsts.keys().copied().collect();
    let keys: Vec<String> = firsts
        .values()
        .map(|entry| storable(entry.routing_key))
        .collect();
    let digests: Vec<Vec<u8>> = firsts.values().map(|entry| entry.digest.to_vec()).collect();
    let values = [
        consumer.into(),
        now.into(),
        ids.into(),
        keys.into(),
        digests.into(),
    ];
    let rows = txn.query_all_raw(statement(sql, values)).await?;
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
    let rows = Row::find_by_statement(statement(sql, values))
        .all(txn)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.message_id, row.digest))
        .collect())
}

/// Notes what became of messages that were not applied, in the transaction of [`register`].
///
/// # Errors
/// Those of the database.
pub async fn correct(
    txn: &DatabaseTransaction,
    consumer: &str,
    outcomes: &[(Uuid, Outcome)],
) -> Result<(), DbErr> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE inbox SET outcome = o.outcome \
               FROM unnest($2::uuid[], $3::text[]) AS o(id, outcome) \
               WHERE inbox.message_id = o.id AND inbox.consumer = $1";
    let ids: Vec<Uuid> = outcomes.iter().map(|(id, _)| *id).collect();
    let names: Vec<String> = outcomes
        .iter()
        .map(|(_, outcome)| outcome.name().to_owned())
        .collect();
    let values = [consumer.into(), ids.into(), names.into()];
    execute(txn, sql, values).await.map(drop)
}

/// Removes what was received longer ago than rows are kept, and answers how much it was.
///
/// It goes by id, not by time of receipt: ids of ours are UUIDv7, so old rows lie side by side at the
/// left edge of the primary key, and each batch begins where the one before ended instead of wading
/// through what that one removed.
///
/// # Errors
/// Those of the database; what was removed stays removed.
pub async fn prune(db: &DatabaseConnection, now: DateTime<Utc>) -> Result<u64, DbErr> {
    let cutoff = now - KEPT;
    let old = prune_ids(db, (Uuid::nil(), first_id_of(cutoff)), cutoff).await?;
    // Ids of foreign publishers that are no UUIDv7 read as times anywhere, mostly far ahead.
    let foreign = prune_ids(db, (first_id_of(now + KEPT), Uuid::max()), cutoff).await?;
    Ok(old + foreign)
}

/// Removes what was received before `cutoff` among the ids of a range.
async fn prune_ids(
    db: &DatabaseConnection,
    (first, last): (Uuid, Uuid),
    cutoff: DateTime<Utc>,
) -> Result<u64, DbErr> {
    // By place: a join by key is planned as a scan of the whole table.
    let sql = "WITH old AS MATERIALIZED (SELECT ctid AS place, message_id FROM inbox \
               WHERE message_id >= $1 AND message_id <= $2 AND received_at < $3 \
               ORDER BY message_id LIMIT $4), \
               gone AS (DELETE FROM inbox WHERE ctid = ANY(ARRAY(SELECT place FROM old))) \
               SELECT count(*) AS rows, (array_agg(message_id ORDER BY message_id DESC))[1] AS last \
               FROM old";
    let mut removed = Removed::from(TABLE);
    let mut first = first;
    loop {
        let values = [first.into(), last.into(), cutoff.into(), BATCH.into()];
        let batch = Batch::find_by_statement(statement(sql, values))
            .one(db)
            .await?;
        let batch = batch.unwrap_or_default();
        first = batch.last.unwrap_or(first);
        let rows = u64::try_from(batch.rows).unwrap_or_default();
        if removed.batch(rows) == Then::Done {
            return Ok(removed.rows());
        }
    }
}

#[derive(Debug, Default, FromQueryResult)]
struct Batch {
    rows: i64,
    last: Option<Uuid>,
}

/// The lowest UUIDv7 of a millisecond (RFC 9562 section 5.7).
pub(crate) fn first_id_of(at: DateTime<Utc>) -> Uuid {
    let millis = u128::try_from(at.timestamp_millis()).unwrap_or_default();
    Uuid::from_u128(millis << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u128, body: u8) -> Entry<'static> {
        Entry {
            message_id: Uuid::from_u128(id),
            routing_key: "tasks.task.changed",
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
        let entries = [entry(5, 1), entry(2, 2), entry(5, 3)];
        let firsts: Vec<_> = first_of_each_id(&entries).into_values().copied().collect();
        assert_eq!(firsts, [entry(2, 2), entry(5, 1)]);
    }
}
