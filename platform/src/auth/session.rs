//! Sessions of people: begun by a login, kept alive by requests, ended by idleness, age, or the issuer.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait};
use uuid::Uuid;

use super::{
    config::SessionLimits,
    expiry,
    oidc::{LoggedIn, Oidc, OidcError},
    opaque::Opaque,
    person::Standing,
    seal::{Seal, SealError},
    store::{self, NewSession, SealedTokens, SessionRow},
    token::{Ends, LogoutToken},
};
use crate::{
    lifecycle::Lifecycle,
    people::{PeopleReaction, Person, PersonChange},
    sources::Sources,
};

/// How often a request moves the end of its session.
const TOUCH: TimeDelta = TimeDelta::minutes(1);
/// The pause before another check after one that the issuer did not answer.
const CHECK_AGAIN: TimeDelta = TimeDelta::minutes(1);

/// How often what has expired is removed.
const HOUSEKEEPING: Duration = Duration::from_mins(5);

/// A session could not be written or read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("the database refused")]
    Database(#[from] DbErr),
    #[error("the tokens cannot be encrypted")]
    Seal(#[from] SealError),
    #[error("the person cannot be written")]
    Person(#[from] serde_json::Error),
    #[error("the login brought no ID token")]
    NoIdToken,
}

/// The sessions of one service.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    pub(super) db: DatabaseConnection,
    pub(super) limits: SessionLimits,
    pub(super) seal: Seal,
    pub(super) oidc: Oidc,
    pub(super) sources: Sources,
    pub(super) lifecycle: Lifecycle,
}

/// Logs out whoever was deleted or disabled or lost a role, in the transaction that learns of it
/// (DESIGN.md section 9).
///
/// Somebody whom the copy did not know came in with the roles of their token, and may have lost them since.
#[derive(Debug, Clone, Copy, Default)]
pub struct EndSessions;

impl PeopleReaction for EndSessions {
    async fn people_changed(
        &self,
        txn: &DatabaseTransaction,
        changes: &[PersonChange],
    ) -> Result<(), DbErr> {
        let (losers, others): (Vec<_>, Vec<_>) =
            changes.iter().partition(|change| change.loses_a_right());
        let losers: Vec<Uuid> = losers.iter().map(|change| change.after.user_id).collect();
        end_sessions(txn, &losers).await?;
        for newcomer in others.iter().filter(|change| change.before.is_none()) {
            let Person { user_id, roles, .. } = &newcomer.after;
            let ended = store::end_sessions_beyond(txn, *user_id, roles.clone()).await?;
            report_ended(*user_id, ended);
        }
        Ok(())
    }

    async fn people_deleted(
        &self,
        txn: &DatabaseTransaction,
        user_ids: &[Uuid],
    ) -> Result<(), DbErr> {
        end_sessions(txn, user_ids).await
    }
}

async fn end_sessions(txn: &DatabaseTransaction, user_ids: &[Uuid]) -> Result<(), DbErr> {
    for user_id in user_ids {
        let ended = store::end_sessions_of_user(txn, *user_id).await?;
        report_ended(*user_id, ended);
    }
    Ok(())
}

fn report_ended(user_id: Uuid, ended: u64) {
    if ended > 0 {
        tracing::info!(user.id = %user_id, ended, "sessions were ended");
    }
}

impl Sessions {
    /// Begins a session under a fresh id, whatever id the browser had before.
    pub(super) async fn begin(&self, login: LoggedIn) -> Result<Opaque, SessionError> {
        let id = Opaque::new(&self.sources);
        let id_hash = id.hash();
        let now = self.sources.now();
        let ends_at = now + self.limits.absolute;
        let id_token = login.tokens.id_token.ok_or(SessionError::NoIdToken)?;
        let session = NewSession {
            user_id: login.person.user_id,
            sid: login.sid,
            person: serde_json::to_value(&login.person)?,
            tokens: SealedTokens {
                id_token: self.seal.seal(&id_hash, &id_token)?,
                refresh_token: match login.tokens.refresh_token {
                    Some(token) => Some(self.seal.seal(&id_hash, &token)?),
                    None => None,
                },
            },
            check_at: now + login.tokens.lifetime,
            created_at: now,
            expires_at: self.idle_end(now, ends_at),
            ends_at,
            id_hash,
        };
        store::insert_session(&self.db, session).await?;
        tracing::info!(user.id = %login.person.user_id, "a session began");
        Ok(id)
    }

    /// Who is behind a session; none when there is none or it has ended.
    pub(super) async fn find(&self, id: &Opaque) -> Result<Option<Standing>, DbErr> {
        let now = self.sources.now();
        let Some(row) = store::find_session(&self.db, id.hash(), now).await? else {
            return Ok(None);
        };
        if now - row.seen_at >= TOUCH {
            let expires_at = self.idle_end(now, row.ends_at);
            store::touch_session(&self.db, id.hash(), now, expires_at).await?;
        }
        self.check_when_due(id, &row, now);
        Ok(Some(Standing::of(row)))
    }

    fn idle_end(&self, now: DateTime<Utc>, ends_at: DateTime<Utc>) -> DateTime<Utc> {
        (now + self.limits.idle).min(ends_at)
    }

    /// Asks the issuer beside the request, which does not wait: what the person may do is decided by the
    /// user cache, and a session that is over at the issuer ends with the next request.
    fn check_when_due(&self, id: &Opaque, row: &SessionRow, now: DateTime<Utc>) {
        if now < row.check_at {
            return;
        }
        let (sessions, id_hash) = (self.clone(), id.hash());
        drop(self.lifecycle.spawn_short(async move {
            if let Err(error) = sessions.check(id_hash).await {
                tracing::warn!(%error, "a session could not be checked");
            }
        }));
    }

    /// One check per session at a time, over all replicas: a refresh token that rotates counts once.
    async fn check(&self, id_hash: Vec<u8>) -> Result<(), SessionError> {
        let now = self.sources.now();
        let claimed = store::claim_check(&self.db, id_hash.clone(), now, now + CHECK_AGAIN).await?;
        let Some(sealed) = claimed else { return Ok(()) };
        let refresh_token = match self.seal.open(&id_hash, &sealed) {
            Ok(token) => token,
            Err(error) => {
                // The key was changed: nobody can ask for this session any more.
                tracing::warn!(%error, "a session with unreadable tokens ends");
                store::end_session(&self.db, id_hash).await?;
                return Ok(());
            }
        };
        match self.oidc.refresh(refresh_token.clone()).await {
            Ok(tokens) => {
                let refresh_token = tokens.refresh_token.unwrap_or(refresh_token);
                let id_token = match tokens.id_token {
                    Some(token) => Some(self.seal.seal(&id_hash, &token)?),
                    None => None,
                };
                let refresh_token = self.seal.seal(&id_hash, &refresh_token)?;
                let check_at = self.sources.now() + tokens.lifetime;
                store::renew_tokens(&self.db, id_hash, id_token, refresh_token, check_at).await?;
            }
            Err(OidcError::GrantOver) => {
                tracing::info!("a session that is over at the identity provider ends");
                store::end_session(&self.db, id_hash).await?;
            }
            Err(error) => {
                tracing::warn!(%error, "a session is kept, since nobody can tell whether it stands");
            }
        }
        Ok(())
    }

    /// Ends a session and gives back its ID token, for the logout at the issuer.
    pub(super) async fn end(&self, id: &Opaque) -> Result<Option<String>, DbErr> {
        let id_hash = id.hash();
        let ended = store::end_session(&self.db, id_hash.clone()).await?;
        Ok(ended.and_then(|sealed| self.seal.open(&id_hash, &sealed).ok()))
    }

    /// Removes what has expired and counts what has not, now and then.
    pub(super) async fn keep_tidy(&self) -> ! {
        loop {
            match expiry::remove_expired(&self.db, self.sources.now()).await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "expired sessions and logins were removed"),
                Err(error) => tracing::warn!(%error, "expired sessions stay for now"),
            }
            if let Err(error) = expiry::count_sessions(&self.db, self.sources.now()).await {
                tracing::debug!(%error, "sessions cannot be counted");
            }
            tokio::time::sleep(HOUSEKEEPING).await;
        }
    }

    /// Ends what a logout token names; false when the token was spent before.
    pub(super) async fn end_by(&self, token: LogoutToken) -> Result<bool, DbErr> {
        let txn = self.db.begin().await?;
        if !store::spend_logout_token(&txn, token.id, token.expires_at).await? {
            return Ok(false);
        }
        let ended = match token.ends {
            Ends::Session(sid) => store::end_sessions_of_sid(&txn, sid).await?,
            Ends::Person(user_id) => store::end_sessions_of_user(&txn, user_id).await?,
        };
        txn.commit().await?;
        tracing::info!(ended, "sessions were ended by the identity provider");
        Ok(true)
    }
}
