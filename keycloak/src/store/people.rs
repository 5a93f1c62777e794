//! The copy as the REST interface answers from it.

use chrono::{DateTime, Utc};
use contracts::identity::User;
use platform::sql::statement;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use uuid::Uuid;

use super::StoreError;

/// What an outer join of the state with the users gives.
#[derive(Debug, FromQueryResult)]
struct Row {
    as_of: Option<DateTime<Utc>>,
    user_id: Option<Uuid>,
    username: Option<String>,
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    roles: Option<Vec<String>>,
    is_enabled: Option<bool>,
    changed_at: Option<DateTime<Utc>>,
}

/// One query for users and age, which belong together; the age only counts once the copy is complete.
const SELECT: &str = "SELECT CASE WHEN s.reconciled_at IS NOT NULL THEN s.as_of END AS as_of, u.* \
                      FROM sync_state s LEFT JOIN LATERAL";

/// The living among `ids`, ordered by id; none while the copy is not complete, so that nobody is taken for deleted.
///
/// # Errors
/// Those of the database.
pub async fn find(
    db: &impl ConnectionTrait,
    ids: Vec<Uuid>,
) -> Result<Option<Vec<User>>, StoreError> {
    let sql = format!(
        "{SELECT} (SELECT * FROM auth_user WHERE user_id = ANY($1) AND NOT is_deleted) u ON true \
         ORDER BY u.user_id"
    );
    select(db, &sql, [ids.into()]).await
}

/// The first `limit` living users after `after` by id; none while the copy is not complete.
///
/// # Errors
/// Those of the database.
pub async fn page(
    db: &impl ConnectionTrait,
    after: Uuid,
    limit: u32,
) -> Result<Option<Vec<User>>, StoreError> {
    let sql = format!(
        "{SELECT} (SELECT * FROM auth_user WHERE user_id > $1 AND NOT is_deleted \
         ORDER BY user_id LIMIT $2) u ON true ORDER BY u.user_id"
    );
    select(db, &sql, [after.into(), i64::from(limit).into()]).await
}

async fn select<const N: usize>(
    db: &impl ConnectionTrait,
    sql: &str,
    values: [Value; N],
) -> Result<Option<Vec<User>>, StoreError> {
    let rows = Row::find_by_statement(statement(sql, values))
        .all(db)
        .await?;
    let is_complete = rows.first().is_some_and(|row| row.as_of.is_some());
    let users: Vec<User> = rows.into_iter().filter_map(Row::into_user).collect();
    Ok(is_complete.then_some(users))
}

impl Row {
    /// None when the join found nobody.
    fn into_user(self) -> Option<User> {
        Some(User {
            user_id: self.user_id?,
            username: self.username?,
            email: self.email,
            first_name: self.first_name?,
            last_name: self.last_name?,
            roles: self.roles?,
            enabled: self.is_enabled?,
            changed_at: self.changed_at?,
            as_of: self.as_of?,
        })
    }
}
