//! How people are called, from the local copy of users.

use std::collections::HashMap;

use platform::sql::statement;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use uuid::Uuid;

use super::{StoreError, performers::eligible_sql};
use crate::domain::assignment::Eligibility;

/// A person by name.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Named {
    pub user_id: Uuid,
    pub username: String,
    pub first_name: String,
    pub last_name: String,
}

const COLUMNS: &str = "user_cache.user_id, user_cache.username, user_cache.first_name, \
     user_cache.last_name";
const BY_NAME: &str = "ORDER BY user_cache.first_name, user_cache.last_name, user_cache.user_id";

/// The names of those people whom the local copy knows, deleted ones too.
pub async fn names(
    db: &impl ConnectionTrait,
    users: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Named>, StoreError> {
    let users: Vec<Uuid> = users.into_iter().collect();
    let sql = format!("SELECT {COLUMNS} FROM user_cache WHERE user_id = ANY($1)");
    let found = read(db, &sql, [users.into()]).await?;
    Ok(found
        .into_iter()
        .map(|named| (named.user_id, named))
        .collect())
}

/// Up to `limit` people who may be handed tasks, by name.
pub async fn eligible(
    db: &impl ConnectionTrait,
    rule: &Eligibility,
    limit: u32,
) -> Result<Vec<Named>, StoreError> {
    let eligible = eligible_sql("$1", "$2");
    let sql = format!("SELECT {COLUMNS} FROM user_cache WHERE {eligible} {BY_NAME} LIMIT $3");
    let values = [
        rule.roles.clone().into(),
        rule.excluded_roles.clone().into(),
        i64::from(limit).into(),
    ];
    read(db, &sql, values).await
}

/// Up to `limit` people who have open tasks, by name.
pub async fn with_open_tasks(
    db: &impl ConnectionTrait,
    limit: u32,
) -> Result<Vec<Named>, StoreError> {
    // An index lookup per person instead of a walk over all open tasks.
    let sql = format!(
        "SELECT {COLUMNS} FROM user_cache WHERE EXISTS (SELECT FROM task \
         WHERE task.state = 'open' AND task.performer_id = user_cache.user_id) {BY_NAME} LIMIT $1"
    );
    read(db, &sql, [i64::from(limit).into()]).await
}

async fn read<const N: usize>(
    db: &impl ConnectionTrait,
    sql: &str,
    values: [Value; N],
) -> Result<Vec<Named>, StoreError> {
    Ok(Named::find_by_statement(statement(sql, values))
        .all(db)
        .await?)
}
