//! The token with which this process asks another service, kept fresh without anyone waiting for it.

use std::{
    fmt,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use openidconnect::{
    ClientId, ClientSecret, ConfigurationError, OAuth2TokenResponse, RequestTokenError, Scope,
    core::CoreClient,
};
use rand::RngExt;
use tokio::{sync::Mutex, time::Instant};

use super::{IdentityConfig, Issuer, IssuerUnavailable, issuer::TokenRequestError};
use crate::{backoff::Backoff, config::Secret, sources::Sources};

/// The lifetime assumed when the issuer names none.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(1);
/// The part of a lifetime at whose end a token is not used any more, for clocks that differ.
const MARGIN: Duration = Duration::from_secs(30);
/// The first and the longest pause after a failed fetch.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The shortest time between two fetches because a peer refused the token.
const FORCED_PAUSE: Duration = Duration::from_secs(5);

/// There is no token at the moment.
#[derive(Debug, thiserror::Error)]
pub enum TokenUnavailable {
    /// The issuer was never reached.
    #[error("the issuer is not known")]
    Issuer(#[source] IssuerUnavailable),
    /// The issuer gave no token just now, and the pause before asking again has not passed.
    #[error("the issuer gave no token; asking again in {retry_after:?}")]
    Paused {
        /// What is left of the pause.
        retry_after: Duration,
    },
    /// The issuer was asked and gave no token.
    #[error("the issuer gave no token: {reason}")]
    Refused {
        /// What it said.
        reason: String,
    },
    /// The issuer publishes no address for tokens.
    #[error("the issuer publishes no token endpoint")]
    NoEndpoint(#[source] ConfigurationError),
}

impl TokenUnavailable {
    /// The pause before asking again makes sense, where it is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Issuer(unavailable) => Some(unavailable.retry_after),
            Self::Paused { retry_after } => Some(*retry_after),
            Self::Refused { .. } | Self::NoEndpoint(_) => None,
        }
    }
}

/// An access token; it does not show in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Arc<str>);

impl AccessToken {
    /// The token itself, for the one header it goes into.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken")
    }
}

/// The token of this process's client for one scope; clones share it.
#[derive(Debug, Clone)]
pub struct MachineToken {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    issuer: Issuer,
    client_id: String,
    client_secret: Secret,
    scope: &'static str,
    sources: Sources,
    held: StdMutex<Option<Held>>,
    fetching: Mutex<Fetching>,
}

#[derive(Debug, Clone)]
struct Held {
    token: AccessToken,
    renew_at: Instant,
    expires_at: Instant,
}

impl Held {
    /// Renewed at 80 % of its lifetime, less a random twentieth so that replicas do not ask in step.
    fn new(token: AccessToken, lifetime: Duration, now: Instant, spread: Duration) -> Self {
        Self {
            token,
            renew_at: now + (lifetime * 4 / 5).saturating_sub(spread),
            expires_at: now + lifetime.saturating_sub(MARGIN.min(lifetime / 5)),
        }
    }
}

/// Guarded by the lock that lets one fetch run at a time.
#[derive(Debug)]
struct Fetching {
    pauses: Backoff,
    not_before: Instant,
}

impl MachineToken {
    /// The token of the machine client of `config`; nothing is fetched yet.
    #[must_use]
    pub fn new(
        issuer: Issuer,
        config: &IdentityConfig,
        scope: &'static str,
        sources: Sources,
    ) -> Self {
        let pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, sources.rng());
        Self {
            inner: Arc::new(Inner {
                issuer,
                client_id: config.machine_client_id.clone(),
                client_secret: config.machine_client_secret.clone(),
                scope,
                sources,
                held: StdMutex::new(None),
                fetching: Mutex::new(Fetching {
                    pauses,
                    not_before: Instant::now(),
                }),
            }),
        }
    }

    /// A token that has not expired.
    ///
    /// One due for renewal is renewed by one caller, while the others go on with it; it is good until
    /// it expires when that fails.
    ///
    /// # Errors
    /// When there is no token and none can be had.
    pub async fn current(&self) -> Result<AccessToken, TokenUnavailable> {
        let Some(held) = self.inner.usable() else {
            let mut fetching = self.inner.fetching.lock().await;
            return match self.inner.usable() {
                Some(held) => Ok(held.token),
                None => self.inner.fetch(&mut fetching).await,
            };
        };
        if Instant::now() < held.renew_at {
            return Ok(held.token);
        }
        let Ok(mut fetching) = self.inner.fetching.try_lock() else {
            return Ok(held.token);
        };
        Ok(self.inner.fetch(&mut fetching).await.unwrap_or(held.token))
    }

    /// Fetches another token since a peer refused `refused`, unless somebody did already.
    ///
    /// # Errors
    /// When none can be had, or one was fetched a moment ago and a peer refuses that one too.
    pub async fn renew(&self, refused: &AccessToken) -> Result<(), TokenUnavailable> {
        let mut fetching = self.inner.fetching.lock().await;
        if self
            .inner
            .usable()
            .is_some_and(|held| held.token != *refused)
        {
            return Ok(());
        }
        self.inner.fetch(&mut fetching).await?;
        fetching.not_before = Instant::now() + FORCED_PAUSE;
        Ok(())
    }
}

impl Inner {
    fn usable(&self) -> Option<Held> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone().filter(|held| Instant::now() < held.expires_at)
    }

    async fn fetch(&self, fetching: &mut Fetching) -> Result<AccessToken, TokenUnavailable> {
        let retry_after = fetching
            .not_before
            .saturating_duration_since(Instant::now());
        if !retry_after.is_zero() {
            return Err(TokenUnavailable::Paused { retry_after });
        }
        match self.ask().await {
            Ok(held) => {
                fetching.pauses.reset();
                let token = held.token.clone();
                *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
                Ok(token)
            }
            Err(error) => {
                let pause = fetching.pauses.next_pause();
                fetching.not_before = Instant::now() + pause;
                tracing::warn!(%error, scope = self.scope, ?pause, "there is no new machine token");
                Err(error)
            }
        }
    }

    /// The client credentials grant (RFC 6749 section 4.4).
    async fn ask(&self) -> Result<Held, TokenUnavailable> {
        let provider = self
            .issuer
            .provider()
            .await
            .map_err(TokenUnavailable::Issuer)?;
        let client = CoreClient::from_provider_metadata(
            provider.metadata.clone(),
            ClientId::new(self.client_id.clone()),
            Some(ClientSecret::new(self.client_secret.expose().to_owned())),
        );
        let answer = client
            .exchange_client_credentials()
            .map_err(TokenUnavailable::NoEndpoint)?
            .add_scope(Scope::new(self.scope.to_owned()))
            .request_async(&self.issuer)
            .await
            .map_err(|error| TokenUnavailable::Refused {
                reason: reason(&error),
            })?;
        let lifetime = answer.expires_in().unwrap_or(DEFAULT_LIFETIME);
        let spread = self
            .sources
            .rng()
            .random_range(Duration::ZERO..=lifetime / 20);
        let token = AccessToken(answer.access_token().secret().as_str().into());
        Ok(Held::new(token, lifetime, Instant::now(), spread))
    }
}

/// What the log should say: the issuer's own words where it answered.
fn reason(error: &TokenRequestError) -> String {
    match error {
        RequestTokenError::ServerResponse(answer) => answer.to_string(),
        RequestTokenError::Request(cause) => cause.to_string(),
        RequestTokenError::Parse(..) => "the answer is no token".to_owned(),
        RequestTokenError::Other(reason) => reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::testing::FakeIssuer;

    async fn pass(time: Duration) {
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    #[tokio::test]
    async fn many_callers_cause_one_request() {
        let issuer = FakeIssuer::start().await;
        let token = issuer.machine_token("users:read");
        let all = futures::future::join_all((0..20).map(|_| token.current())).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(issuer.token_requests(), 1);
    }

    #[tokio::test]
    async fn a_token_is_renewed_at_four_fifths_of_its_life() {
        let issuer = FakeIssuer::start().await;
        let token = issuer.machine_token("users:read");
        let first = token.current().await.unwrap();
        pass(Duration::from_secs(220)).await;
        assert_eq!(token.current().await.unwrap(), first);
        pass(Duration::from_secs(25)).await;
        assert_ne!(token.current().await.unwrap(), first);
        assert_eq!(issuer.token_requests(), 2);
    }

    #[tokio::test]
    async fn a_failing_issuer_leaves_the_old_token_until_it_expires() {
        let issuer = FakeIssuer::start().await;
        let token = issuer.machine_token("users:read");
        let first = token.current().await.unwrap();
        issuer.fail_tokens(503);
        pass(Duration::from_secs(250)).await;
        assert_eq!(token.current().await.unwrap(), first);
        pass(Duration::from_mins(1)).await;
        token.current().await.unwrap_err();
    }

    #[tokio::test]
    async fn a_failing_issuer_is_not_asked_for_every_call() {
        let issuer = FakeIssuer::start().await;
        let token = issuer.machine_token("users:read");
        issuer.fail_tokens(503);
        for _ in 0..10 {
            token.current().await.unwrap_err();
        }
        assert_eq!(issuer.token_requests(), 1);
    }

    #[tokio::test]
    async fn a_refused_token_is_renewed_once_for_all_who_had_it() {
        let issuer = FakeIssuer::start().await;
        let token = issuer.machine_token("users:read");
        let first = token.current().await.unwrap();
        let renewals = futures::future::join_all((0..5).map(|_| token.renew(&first))).await;
        assert!(renewals.iter().all(Result::is_ok));
        assert_eq!(issuer.token_requests(), 2);

        let second = token.current().await.unwrap();
        assert!(token.renew(&second).await.is_err(), "not again at once");
        assert_eq!(issuer.token_requests(), 2);
    }

    #[test]
    fn a_short_lived_token_keeps_most_of_its_life() {
        let now = Instant::now();
        let token = AccessToken("t".into());
        let held = Held::new(token, Duration::from_mins(1), now, Duration::ZERO);
        assert_eq!(held.renew_at, now + Duration::from_secs(48));
        assert_eq!(held.expires_at, now + Duration::from_secs(48));
    }
}
