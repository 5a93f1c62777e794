//! The copy of Keycloak's users: what was observed goes in, what is different goes out as messages.

use std::collections::{HashMap, HashSet};

use contracts::identity::{UserChanged, UserCreated, UserDeleted};
use platform::{
    outbox::{self, OutboxMessage},
    sources::Sources,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select, sea_query::OnConflict,
};
use uuid::Uuid;

use super::{StoreError, entity::auth_user};
use crate::user::{Change, ChangeKind, KnownUser, Observation, UserState, difference};

/// Brings the copy up to `observations`, each of another user, and writes the messages that the
/// differences call for. Returns how many there were.
///
/// # Errors
/// Those of the database.
pub async fn apply(
    txn: &DatabaseTransaction,
    sources: &Sources,
    observations: Vec<Observation>,
) -> Result<usize, StoreError> {
    let ids = observations.iter().map(|observed| observed.user_id);
    // Locked, so that the messages of one user leave in the order of their timestamps.
    let known = known(select(ids.collect()).lock_exclusive(), txn).await?;
    let mut rows = Vec::new();
    let mut messages = Vec::new();
    for observed in observations {
        if let Some(change) = difference(known.get(&observed.user_id), &observed) {
            messages.push(message(sources, observed.user_id, change));
            rows.push(row(observed, change));
        }
    }
    save(txn, rows).await?;
    outbox::append(txn, &messages).await?;
    Ok(messages.len())
}

/// Those of `observations` that call for a message as the copy stands.
///
/// # Errors
/// Those of the database.
pub async fn differing(
    db: &impl ConnectionTrait,
    mut observations: Vec<Observation>,
) -> Result<Vec<Observation>, StoreError> {
    let ids = observations.iter().map(|observed| observed.user_id);
    let known = known(select(ids.collect()), db).await?;
    observations.retain(|observed| difference(known.get(&observed.user_id), observed).is_some());
    Ok(observations)
}

/// The users that the copy knows and Keycloak is believed to have.
///
/// # Errors
/// Those of the database.
pub async fn living(db: &impl ConnectionTrait) -> Result<HashSet<Uuid>, StoreError> {
    let ids: Vec<Uuid> = auth_user::Entity::find()
        .select_only()
        .column(auth_user::Column::UserId)
        .filter(auth_user::Column::IsDeleted.eq(false))
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().collect())
}

/// How many those are.
///
/// # Errors
/// Those of the database.
pub async fn count_living(db: &impl ConnectionTrait) -> Result<u64, StoreError> {
    let living = auth_user::Entity::find().filter(auth_user::Column::IsDeleted.eq(false));
    Ok(living.count(db).await?)
}

/// The login name of a user, whoever lives.
///
/// # Errors
/// Those of the database.
pub async fn username(
    db: &impl ConnectionTrait,
    user_id: Uuid,
) -> Result<Option<String>, StoreError> {
    let name: Option<String> = auth_user::Entity::find_by_id(user_id)
        .select_only()
        .column(auth_user::Column::Username)
        .filter(auth_user::Column::IsDeleted.eq(false))
        .into_tuple()
        .one(db)
        .await?;
    Ok(name)
}

fn select(ids: Vec<Uuid>) -> Select<auth_user::Entity> {
    auth_user::Entity::find()
        .filter(auth_user::Column::UserId.is_in(ids))
        .order_by_asc(auth_user::Column::UserId)
}

async fn known(
    rows: Select<auth_user::Entity>,
    db: &impl ConnectionTrait,
) -> Result<HashMap<Uuid, KnownUser>, StoreError> {
    let rows = rows.all(db).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.user_id, row.into()))
        .collect())
}

impl From<auth_user::Model> for KnownUser {
    fn from(row: auth_user::Model) -> Self {
        let state = (!row.is_deleted).then_some(UserState {
            username: row.username,
            email: row.email,
            first_name: row.first_name,
            last_name: row.last_name,
            roles: row.roles,
            is_enabled: row.is_enabled,
        });
        Self {
            state,
            changed_at: row.changed_at,
        }
    }
}

fn message(sources: &Sources, user_id: Uuid, change: Change) -> OutboxMessage {
    let timestamp = change.at;
    match change.kind {
        ChangeKind::Created => OutboxMessage::new(sources, &UserCreated { user_id, timestamp }),
        ChangeKind::Changed => OutboxMessage::new(sources, &UserChanged { user_id, timestamp }),
        ChangeKind::Deleted => OutboxMessage::new(sources, &UserDeleted { user_id, timestamp }),
    }
}

/// Of a deleted user nothing is kept but the id.
fn row(observed: Observation, change: Change) -> auth_user::ActiveModel {
    let is_deleted = observed.state.is_none();
    let state = observed.state.unwrap_or_else(|| UserState {
        username: String::new(),
        email: None,
        first_name: String::new(),
        last_name: String::new(),
        roles: Vec::new(),
        is_enabled: false,
    });
    auth_user::ActiveModel {
        user_id: Set(observed.user_id),
        username: Set(state.username),
        email: Set(state.email),
        first_name: Set(state.first_name),
        last_name: Set(state.last_name),
        roles: Set(state.roles),
        is_enabled: Set(state.is_enabled),
        is_deleted: Set(is_deleted),
        changed_at: Set(change.at),
    }
}

async fn save(
    txn: &DatabaseTransaction,
    rows: Vec<auth_user::ActiveModel>,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let known = OnConflict::column(auth_user::Column::UserId)
        .update_columns([
            auth_user::Column::Username,
            auth_user::Column::Email,
            auth_user::Column::FirstName,
            auth_user::Column::LastName,
            auth_user::Column::Roles,
            auth_user::Column::IsEnabled,
            auth_user::Column::IsDeleted,
            auth_user::Column::ChangedAt,
        ])
        .to_owned();
    auth_user::Entity::insert_many(rows)
        .on_conflict(known)
        .exec_without_returning(txn)
        .await?;
    Ok(())
}
