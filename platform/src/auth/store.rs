//! The rows of sessions, logins under way and spent logout tokens.
//!
//! SQL by hand: a session is looked up at every request, together with what the user cache says of the
//! person, in one round trip.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult};
use uuid::Uuid;

use crate::sql::{execute, statement};

/// A session to be written.
#[derive(Debug)]
pub(super) struct NewSession {
    pub(super) id_hash: Vec<u8>,
    pub(super) user_id: Uuid,
    pub(super) sid: String,
    pub(super) person: serde_json::Value,
    pub(super) tokens: SealedTokens,
    pub(super) check_at: DateTime<Utc>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) ends_at: DateTime<Utc>,
}

/// Tokens of a session, encrypted.
#[derive(Debug)]
pub(super) struct SealedTokens {
    pub(super) id_token: Vec<u8>,
    pub(super) refresh_token: Option<Vec<u8>>,
}

/// A session that lives, and the person behind it as the user cache knows them, if it does.
#[derive(Debug, FromQueryResult)]
pub(super) struct SessionRow {
    pub(super) user_id: Uuid,
    pub(super) person: serde_json::Value,
    pub(super) check_at: DateTime<Utc>,
    pub(super) seen_at: DateTime<Utc>,
    pub(super) ends_at: DateTime<Utc>,
    pub(super) username: Option<String>,
    pub(super) email: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) roles: Option<Vec<String>>,
    pub(super) is_enabled: Option<bool>,
    pub(super) is_deleted: Option<bool>,
}

/// A login under way.
#[derive(Debug, FromQueryResult)]
pub(super) struct AttemptRow {
    pub(super) secrets: Vec<u8>,
    pub(super) return_to: String,
}

/// A login to be remembered until its answer comes.
#[derive(Debug)]
pub(super) struct NewAttempt {
    pub(super) state_hash: Vec<u8>,
    pub(super) browser_hash: Vec<u8>,
    pub(super) secrets: Vec<u8>,
    pub(super) return_to: String,
    pub(super) expires_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct ClaimedCheck {
    refresh_token: Option<Vec<u8>>,
}

#[derive(FromQueryResult)]
struct EndedSession {
    id_token: Vec<u8>,
}

pub(super) async fn insert_session(
    db: &impl ConnectionTrait,
    session: NewSession,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO session (id_hash, user_id, sid, person, id_token, refresh_token, check_at, \
               created_at, seen_at, expires_at, ends_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10)";
    let values = [
        session.id_hash.into(),
        session.user_id.into(),
        session.sid.into(),
        session.person.into(),
        session.tokens.id_token.into(),
        session.tokens.refresh_token.into(),
        session.check_at.into(),
        session.created_at.into(),
        session.expires_at.into(),
        session.ends_at.into(),
    ];
    execute(db, sql, values).await.map(drop)
}

pub(super) async fn find_session(
    db: &impl ConnectionTrait,
    id_hash: Vec<u8>,
    now: DateTime<Utc>,
) -> Result<Option<SessionRow>, DbErr> {
    let sql = "SELECT s.user_id, s.person, s.check_at, s.seen_at, s.ends_at, u.username, u.email, \
               u.first_name, u.last_name, u.roles, u.is_enabled, u.is_deleted \
               FROM session s LEFT JOIN user_cache u ON u.user_id = s.user_id \
               WHERE s.id_hash = $1 AND s.expires_at > $2";
    SessionRow::find_by_statement(statement(sql, [id_hash.into(), now.into()]))
        .one(db)
        .await
}

/// Moves the end by idleness; a session that was ended meanwhile stays ended.
pub(super) async fn touch_session(
    db: &impl ConnectionTrait,
    id_hash: Vec<u8>,
    seen_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE session SET seen_at = $2, expires_at = $3 WHERE id_hash = $1";
    let values = [id_hash.into(), seen_at.into(), expires_at.into()];
    execute(db, sql, values).await.map(drop)
}

/// Takes the check that is due for this process; none when it is not due or somebody has it.
pub(super) async fn claim_check(
    db: &impl ConnectionTrait,
    id_hash: Vec<u8>,
    now: DateTime<Utc>,
    next: DateTime<Utc>,
) -> Result<Option<Vec<u8>>, DbErr> {
    let sql = "UPDATE session SET check_at = $3 WHERE id_hash = $1 AND check_at <= $2 \
               RETURNING refresh_token";
    let values = [id_hash.into(), now.into(), next.into()];
    let claimed = ClaimedCheck::find_by_statement(statement(sql, values))
        .one(db)
        .await?;
    Ok(claimed.and_then(|claimed| claimed.refresh_token))
}

/// Keeps what a check brought; no id token means that the old one stays.
pub(super) async fn renew_tokens(
    db: &impl ConnectionTrait,
    id_hash: Vec<u8>,
    id_token: Option<Vec<u8>>,
    refresh_token: Vec<u8>,
    check_at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let sql = "UPDATE session SET id_token = coalesce($2, id_token), refresh_token = $3, \
               check_at = $4 WHERE id_hash = $1";
    let values = [
        id_hash.into(),
        id_token.into(),
        refresh_token.into(),
        check_at.into(),
    ];
    execute(db, sql, values).await.map(drop)
}

/// Ends one session and gives back its ID token; none when it had ended.
pub(super) async fn end_session(
    db: &impl ConnectionTrait,
    id_hash: Vec<u8>,
) -> Result<Option<Vec<u8>>, DbErr> {
    let sql = "DELETE FROM session WHERE id_hash = $1 RETURNING id_token";
    let ended = EndedSession::find_by_statement(statement(sql, [id_hash.into()]))
        .one(db)
        .await?;
    Ok(ended.map(|ended| ended.id_token))
}

pub(super) async fn end_sessions_of_user(
    txn: &DatabaseTransaction,
    user_id: Uuid,
) -> Result<u64, DbErr> {
    execute(
        txn,
        "DELETE FROM session WHERE user_id = $1",
        [user_id.into()],
    )
    .await
}

/// Ends the sessions of a user that began with a role which is not among `roles`.
pub(super) async fn end_sessions_beyond(
    txn: &DatabaseTransaction,
    user_id: Uuid,
    roles: Vec<String>,
) -> Result<u64, DbErr> {
    let sql = "DELETE FROM session \
               WHERE user_id = $1 AND NOT person -> 'roles' <@ to_jsonb($2::text[])";
    execute(txn, sql, [user_id.into(), roles.into()]).await
}

pub(super) async fn end_sessions_of_sid(
    txn: &DatabaseTransaction,
    sid: String,
) -> Result<u64, DbErr> {
    execute(txn, "DELETE FROM session WHERE sid = $1", [sid.into()]).await
}

/// Whether the logout token was not spent before; then it is now.
pub(super) async fn spend_logout_token(
    txn: &DatabaseTransaction,
    jti: String,
    expires_at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let sql = "INSERT INTO spent_logout_token (jti, expires_at) VALUES ($1, $2) \
               ON CONFLICT (jti) DO NOTHING";
    let written = execute(txn, sql, [jti.into(), expires_at.into()]).await?;
    Ok(written == 1)
}

pub(super) async fn insert_attempt(
    db: &impl ConnectionTrait,
    attempt: NewAttempt,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO login_attempt (state_hash, browser_hash, secrets, return_to, expires_at) \
               VALUES ($1, $2, $3, $4, $5)";
    let values = [
        attempt.state_hash.into(),
        attempt.browser_hash.into(),
        attempt.secrets.into(),
        attempt.return_to.into(),
        attempt.expires_at.into(),
    ];
    execute(db, sql, values).await.map(drop)
}

/// Takes a login out, so that its answer counts once; none for another browser or too late.
pub(super) async fn take_attempt(
    db: &impl ConnectionTrait,
    state_hash: Vec<u8>,
    browser_hash: Vec<u8>,
    now: DateTime<Utc>,
) -> Result<Option<AttemptRow>, DbErr> {
    let sql = "DELETE FROM login_attempt WHERE state_hash = $1 AND browser_hash = $2 \
               AND expires_at > $3 RETURNING secrets, return_to";
    let values = [state_hash.into(), browser_hash.into(), now.into()];
    AttemptRow::find_by_statement(statement(sql, values))
        .one(db)
        .await
}
