//! Reading and writing the table `user_cache`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::identity::User;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, QueryResult, Value};
use uuid::Uuid;

use super::{Person, PersonChange};
use crate::sql::statement;

const COLUMNS: &str = "user_id, username, email, first_name, last_name, roles, is_enabled, \
                       is_deleted, guard, fetched_at";

/// A user by id, deleted ones included.
///
/// # Errors
/// Those of the database.
pub async fn find(db: &impl ConnectionTrait, user_id: Uuid) -> Result<Option<Person>, DbErr> {
    Ok(find_many(db, vec![user_id]).await?.pop())
}

/// Users by id, deleted ones included, in the order of ids; unknown ones are left out.
///
/// # Errors
/// Those of the database.
pub async fn find_many(
    db: &impl ConnectionTrait,
    user_ids: Vec<Uuid>,
) -> Result<Vec<Person>, DbErr> {
    let sql = format!("SELECT {COLUMNS} FROM user_cache WHERE user_id = ANY($1) ORDER BY user_id");
    select(db, &sql, [user_ids.into()]).await
}

/// The ids of everybody who is not deleted, with their guards.
pub(super) async fn living(
    db: &impl ConnectionTrait,
) -> Result<HashMap<Uuid, DateTime<Utc>>, DbErr> {
    let sql = "SELECT user_id, guard FROM user_cache WHERE NOT is_deleted";
    let rows = db.query_all_raw(statement(sql, [])).await?;
    let entry = |row: &QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
    rows.iter().map(entry).collect()
}

/// Marks users as deleted for good; unknown ones stay unknown, and those deleted before as they are.
pub(super) async fn mark_deleted(
    txn: &DatabaseTransaction,
    deletions: &[(Uuid, DateTime<Utc>)],
) -> Result<Vec<PersonChange>, DbErr> {
    if deletions.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = deletions.iter().map(|(id, _)| *id).collect();
    let times: Vec<DateTime<Utc>> = deletions.iter().map(|(_, at)| *at).collect();
    let before = lock(txn, ids.clone()).await?;
    let sql = format!(
        "UPDATE user_cache c SET is_deleted = true, guard = greatest(c.guard, d.at) \
         FROM unnest($1::uuid[], $2::timestamptz[]) AS d(id, at) \
         WHERE c.user_id = d.id AND NOT c.is_deleted RETURNING {}",
        COLUMNS.replace("user_id", "c.user_id")
    );
    let after = select(txn, &sql, [ids.into(), times.into()]).await?;
    Ok(pair(before, after))
}

/// Stores what the bridge answered: the guard refuses what is older than what is known, and nothing
/// brings a deleted user back.
pub(super) async fn store(
    txn: &DatabaseTransaction,
    users: &[(&User, DateTime<Utc>)],
    now: DateTime<Utc>,
) -> Result<Vec<PersonChange>, DbErr> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = users.iter().map(|(user, _)| user.user_id).collect();
    let before = lock(txn, ids.clone()).await?;
    let sql = format!(
        "INSERT INTO user_cache AS c ({COLUMNS}) \
         SELECT u.id, u.username, nullif(u.email, ''), u.first_name, u.last_name, \
         ARRAY(SELECT jsonb_array_elements_text(u.roles::jsonb)), u.enabled, false, u.guard, $8 \
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], \
         $7::boolean[], $9::timestamptz[]) \
         AS u(id, username, email, first_name, last_name, roles, enabled, guard) ORDER BY u.id \
         ON CONFLICT (user_id) DO UPDATE SET username = excluded.username, email = excluded.email, \
         first_name = excluded.first_name, last_name = excluded.last_name, roles = excluded.roles, \
         is_enabled = excluded.is_enabled, guard = excluded.guard, fetched_at = excluded.fetched_at \
         WHERE NOT c.is_deleted AND c.guard <= excluded.guard RETURNING {COLUMNS}"
    );
    let text = |of: fn(&User) -> String| -> Value {
        users
            .iter()
            .map(|(user, _)| of(user))
            .collect::<Vec<String>>()
            .into()
    };
    let enabled: Vec<bool> = users.iter().map(|(user, _)| user.enabled).collect();
    let guards: Vec<DateTime<Utc>> = users.iter().map(|(_, guard)| *guard).collect();
    let values = [
        ids.into(),
        text(|user| user.username.clone()),
        text(|user| user.email.clone().unwrap_or_default()),
        text(|user| user.first_name.clone()),
        text(|user| user.last_name.clone()),
        text(|user| serde_json::Value::from(user.roles.clone()).to_string()),
        enabled.into(),
        now.into(),
        guards.into(),
    ];
    let after = select(txn, &sql, values).await?;
    Ok(pair(before, after))
}

/// Of the given events those that would change something: the user is not deleted and the guard is
/// not newer. Unknown users always count.
pub(super) async fn still_news(
    txn: &DatabaseTransaction,
    events: &[(Uuid, DateTime<Utc>)],
) -> Result<Vec<(Uuid, DateTime<Utc>)>, DbErr> {
    let ids = events.iter().map(|(id, _)| *id).collect();
    let known = by_id(find_many(txn, ids).await?);
    let news = |(id, at): &&(Uuid, DateTime<Utc>)| {
        known
            .get(id)
            .is_none_or(|person| !person.is_deleted && person.guard <= *at)
    };
    Ok(events.iter().filter(news).copied().collect())
}

/// Locks in the order of ids, as everybody does, so that nobody waits in a circle.
async fn lock(txn: &DatabaseTransaction, ids: Vec<Uuid>) -> Result<Vec<Person>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM user_cache WHERE user_id = ANY($1) ORDER BY user_id FOR UPDATE"
    );
    select(txn, &sql, [ids.into()]).await
}

async fn select<const N: usize>(
    db: &impl ConnectionTrait,
    sql: &str,
    values: [Value; N],
) -> Result<Vec<Person>, DbErr> {
    Person::find_by_statement(statement(sql, values))
        .all(db)
        .await
}

pub(super) fn by_id(people: Vec<Person>) -> HashMap<Uuid, Person> {
    people
        .into_iter()
        .map(|person| (person.user_id, person))
        .collect()
}

/// The changes that somebody would notice.
fn pair(before: Vec<Person>, after: Vec<Person>) -> Vec<PersonChange> {
    let mut before = by_id(before);
    after
        .into_iter()
        .map(|after| PersonChange {
            before: before.remove(&after.user_id),
            after,
        })
        .filter(|change| {
            change
                .before
                .as_ref()
                .is_none_or(|old| change.after.differs_from(old))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::sample;

    #[test]
    fn only_what_somebody_would_notice_is_a_change() {
        let mut renamed = sample(2);
        renamed.last_name = "Ivanova".to_owned();
        let changes = pair(
            vec![sample(1), sample(2)],
            vec![sample(1), renamed, sample(3)],
        );
        let ids: Vec<_> = changes
            .iter()
            .map(|change| change.after.user_id.as_u128())
            .collect();
        assert_eq!(ids, [2, 3]);
    }
}
