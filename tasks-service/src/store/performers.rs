//! Who may be handed a task, read from the local copy of users (T2).

use std::collections::HashSet;

use platform::sql::statement;
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use uuid::Uuid;

use super::StoreError;
use crate::domain::{assignment::Eligibility, id::UserId};

/// [`Eligibility::admits`] as SQL over `user_cache`, given the parameters that hold the two lists of roles.
pub(super) fn eligible_sql(roles: &str, excluded_roles: &str) -> String {
    format!(
        "user_cache.is_enabled AND NOT user_cache.is_deleted \
         AND user_cache.roles && {roles}::text[] AND NOT user_cache.roles && {excluded_roles}::text[]"
    )
}

/// Everybody who is eligible, in no particular order.
///
/// By hand, as are the other questions here: arrays overlap in SQL only.
pub async fn eligible(
    db: &impl ConnectionTrait,
    rule: &Eligibility,
) -> Result<Vec<UserId>, StoreError> {
    let sql = format!(
        "SELECT user_id FROM user_cache WHERE {}",
        eligible_sql("$1", "$2")
    );
    let values = [
        rule.roles.clone().into(),
        rule.excluded_roles.clone().into(),
    ];
    read(db, &sql, values).await
}

/// Those of `users` who are eligible; none of them loses that before the transaction ends.
pub async fn lock_eligible(
    txn: &DatabaseTransaction,
    rule: &Eligibility,
    users: &[UserId],
) -> Result<HashSet<UserId>, StoreError> {
    let sql = format!(
        "SELECT user_id FROM user_cache WHERE user_id = ANY($3) AND {} ORDER BY user_id FOR SHARE",
        eligible_sql("$1", "$2"),
    );
    let ids: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let values = [
        rule.roles.clone().into(),
        rule.excluded_roles.clone().into(),
        ids.into(),
    ];
    Ok(read(txn, &sql, values).await?.into_iter().collect())
}

async fn read<const N: usize>(
    db: &impl ConnectionTrait,
    sql: &str,
    values: [sea_orm::Value; N],
) -> Result<Vec<UserId>, StoreError> {
    let rows = db.query_all_raw(statement(sql, values)).await?;
    let ids = rows
        .iter()
        .map(|row| row.try_get("", "user_id").map(UserId));
    Ok(ids.collect::<Result<_, _>>()?)
}
