//! The issuer: its discovery document and keys, fetched when first needed and kept however old.
//!
//! A process starts and goes on while the issuer is down: keys that were seen once are good until a
//! newer set arrives.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use futures::future::BoxFuture;
use openidconnect::{
    AsyncHttpClient, HttpRequest, HttpResponse, IssuerUrl, RequestTokenError,
    StandardErrorResponse, core::CoreErrorResponseType, http,
};
use reqwest::{Client, StatusCode};
use sea_orm::DatabaseConnection;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};

use super::{
    IdentityConfig,
    memory::{Documents, Memory},
    provider::{self, Provider, VerificationKey},
};
use crate::{
    backoff::Backoff,
    lifecycle::Lifecycle,
    outbound::{self, Timeouts},
    sources::Sources,
};

/// How often keys are fetched without a reason.
const REFRESH: Duration = Duration::from_mins(10);
/// The shortest time between two fetches because of an unknown key.
const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(10);
/// The first and the longest pause after a failed fetch.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The largest document that is read, in bytes.
const MAX_DOCUMENT: usize = 1024 * 1024;

/// The issuer cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the identity provider cannot be reached")]
pub struct IssuerUnavailable {
    /// The pause before the next fetch.
    pub retry_after: Duration,
}

/// An issuer that cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The configured issuer is no URL.
    #[error("the issuer is no URL")]
    Url(#[source] url::ParseError),
    /// No HTTP client can be made.
    #[error("no HTTP client can be made")]
    Client(#[source] reqwest::Error),
}

/// Why a request to the issuer brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There was no answer.
    #[error("the request failed")]
    Transport(#[source] reqwest::Error),
    /// It answered with an error.
    #[error("the answer was {0}")]
    Status(StatusCode),
    /// It answered more than is read.
    #[error("the document is too large")]
    TooLarge,
    /// It answered something else than what its kind has.
    #[error("the document cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// It calls itself otherwise than the settings do.
    #[error("the document speaks for the issuer {0}")]
    OtherIssuer(String),
    /// Its answer has headers that cannot be written.
    #[error("the answer cannot be passed on")]
    Http(#[source] http::Error),
}

/// Why a request for tokens brought none.
pub(super) type TokenRequestError =
    RequestTokenError<FetchError, StandardErrorResponse<CoreErrorResponseType>>;

/// One issuer; clones share what was fetched.
#[derive(Debug, Clone)]
pub struct Issuer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    url: IssuerUrl,
    http: Client,
    sources: Sources,
    memory: Option<Memory>,
    known: ArcSwapOption<Provider>,
    fetching: Mutex<Fetching>,
}

/// Guarded by the lock that lets one fetch run at a time.
#[derive(Debug)]
struct Fetching {
    pauses: Backoff,
    not_before: Instant,
}

impl Issuer {
    /// The issuer of the settings; nothing is fetched yet.
    ///
    /// # Errors
    /// When the URL cannot be read or no HTTP client can be made.
    pub fn try_new(config: &IdentityConfig, sources: &Sources) -> Result<Self, IssuerError> {
        Self::try_with(config, sources, None)
    }

    /// As [`Issuer::try_new`], and what the issuer publishes is kept in the table `issuer_document` of
    /// `db`: a process that starts while the issuer is away begins with that.
    ///
    /// # Errors
    /// As [`Issuer::try_new`].
    pub fn try_remembering(
        config: &IdentityConfig,
        sources: &Sources,
        db: DatabaseConnection,
    ) -> Result<Self, IssuerError> {
        Self::try_with(config, sources, Some(Memory::new(db)))
    }

    fn try_with(
        config: &IdentityConfig,
        sources: &Sources,
        memory: Option<Memory>,
    ) -> Result<Self, IssuerError> {
        let url = IssuerUrl::new(config.issuer.clone()).map_err(IssuerError::Url)?;
        let http = outbound::client(Timeouts {
            connect: Duration::from_secs(1),
            request: Duration::from_secs(5),
        })
        .map_err(IssuerError::Client)?;
        let pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, sources.rng());
        Ok(Self {
            inner: Arc::new(Inner {
                url,
                http,
                sources: sources.clone(),
                memory,
                known: ArcSwapOption::empty(),
                fetching: Mutex::new(Fetching {
                    pauses,
                    not_before: Instant::now(),
                }),
            }),
        })
    }

    /// The issuer's name, as its tokens carry it.
    #[must_use]
    pub fn url(&self) -> &str {
        self.inner.url.as_str()
    }

    /// Fetches at once and then every ten minutes, so that rotated keys are known before they are
    /// needed; after a failure sooner.
    pub fn spawn_refresh(&self, lifecycle: &Lifecycle) {
        let issuer = self.clone();
        let stopping = lifecycle.stopping();
        lifecycle.spawn("issuer refresh", async move {
            stopping.run_until_cancelled(issuer.keep_fresh()).await;
        });
    }

    async fn keep_fresh(&self) -> ! {
        loop {
            let pause = match self.refresh().await {
                Ok(_) => REFRESH,
                Err(unavailable) => unavailable.retry_after,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// What the issuer last published, fetched now when nothing is known yet.
    pub(super) async fn provider(&self) -> Result<Arc<Provider>, IssuerUnavailable> {
        if let Some(provider) = self.inner.known.load_full() {
            return Ok(provider);
        }
        match self.refresh().await {
            Ok(provider) => Ok(provider),
            Err(unavailable) => self.recall().await.ok_or(unavailable),
        }
    }

    /// What was kept by a process before this one; it counts until something newer is fetched.
    async fn recall(&self) -> Option<Arc<Provider>> {
        let memory = self.inner.memory.as_ref()?;
        let documents = match memory.recall(self.url()).await {
            Ok(documents) => documents?,
            Err(error) => {
                tracing::warn!(%error, "what the issuer published before cannot be read");
                return None;
            }
        };
        let provider = Provider::try_of(&self.inner.url, documents).ok()?;
        tracing::info!("the issuer is away: its last known keys are used");
        let provider = Arc::new(provider);
        // Nothing newer is overwritten, and the next fetch does not wait for it.
        self.inner
            .known
            .compare_and_swap(&None::<Arc<Provider>>, Some(Arc::clone(&provider)));
        Some(provider)
    }

    /// The same, once the issuer was found to answer just now: a browser that is sent there while it is
    /// down would be left alone with an error of its own.
    pub(super) async fn answering(&self) -> Result<Arc<Provider>, IssuerUnavailable> {
        let provider = self.provider().await?;
        let asked: Result<serde::de::IgnoredAny, FetchError> = self.get(&self.discovery()).await;
        match asked {
            Ok(_document) => Ok(provider),
            Err(error) => {
                let cause: &dyn std::error::Error = &error;
                tracing::warn!(cause, "the issuer does not answer");
                Err(IssuerUnavailable {
                    retry_after: FIRST_PAUSE,
                })
            }
        }
    }

    fn discovery(&self) -> String {
        let issuer = self.inner.url.as_str().trim_end_matches('/');
        format!("{issuer}/.well-known/openid-configuration")
    }

    /// The key called `kid`; an unknown name causes one fetch, but not one per token.
    pub(super) async fn key(
        &self,
        kid: &str,
    ) -> Result<Option<Arc<VerificationKey>>, IssuerUnavailable> {
        let provider = self.provider().await?;
        if let Some(key) = provider.keys.get(kid) {
            return Ok(Some(Arc::clone(key)));
        }
        // Without a newer set the answer is that of the older one, so a failed fetch is no failure.
        let newer = self.refresh().await.unwrap_or(provider);
        Ok(newer.keys.get(kid).map(Arc::clone))
    }

    /// One fetch at a time and never within the pause; who comes second gets what the first brought.
    async fn refresh(&self) -> Result<Arc<Provider>, IssuerUnavailable> {
        let before = self.inner.known.load_full();
        let mut fetching = self.inner.fetching.lock().await;
        let now = Instant::now();
        let known = self.inner.known.load_full();
        let is_newer = match (&before, &known) {
            (Some(before), Some(known)) => !Arc::ptr_eq(before, known),
            (before, known) => before.is_none() && known.is_some(),
        };
        if is_newer || now < fetching.not_before {
            let retry_after = fetching.not_before.saturating_duration_since(now);
            return known.ok_or(IssuerUnavailable { retry_after });
        }
        match self.fetch().await {
            Ok(provider) => {
                let provider = Arc::new(provider);
                self.inner.known.store(Some(Arc::clone(&provider)));
                fetching.pauses.reset();
                fetching.not_before = Instant::now() + UNKNOWN_KEY_PAUSE;
                Ok(provider)
            }
            Err(error) => {
                let retry_after = fetching.pauses.next_pause();
                fetching.not_before = Instant::now() + retry_after;
                let cause: &dyn std::error::Error = &error;
                tracing::warn!(cause, ?retry_after, "the issuer's keys cannot be fetched");
                Err(IssuerUnavailable { retry_after })
            }
        }
    }

    async fn fetch(&self) -> Result<Provider, FetchError> {
        let issuer = self.url();
        let discovery: Value = self.get(&self.discovery()).await?;
        let metadata = provider::metadata(&self.inner.url, discovery.clone())?;
        let keys = self.get(metadata.jwks_uri().as_str()).await?;
        let documents = Documents { discovery, keys };
        let provider = Provider::try_of(&self.inner.url, documents.clone())?;
        if let Some(memory) = &self.inner.memory
            && let Err(error) = memory
                .keep(issuer, &documents, self.inner.sources.now())
                .await
        {
            tracing::warn!(%error, "what the issuer publishes cannot be kept");
        }
        Ok(provider)
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, FetchError> {
        let request = self
            .inner
            .http
            .get(url)
            .build()
            .map_err(FetchError::Transport)?;
        let response = self.execute(request).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        serde_json::from_slice(response.body()).map_err(FetchError::Unreadable)
    }

    async fn execute(&self, request: reqwest::Request) -> Result<HttpResponse, FetchError> {
        let mut answer = self
            .inner
            .http
            .execute(request)
            .await
            .map_err(FetchError::Transport)?;
        let mut response = http::Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(FetchError::Transport)? {
            if body.len() + chunk.len() > MAX_DOCUMENT {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        response.body(body).map_err(FetchError::Http)
    }
}

/// Sends the requests of the `openidconnect` crate, which brings no HTTP client of its own.
impl<'c> AsyncHttpClient<'c> for Issuer {
    type Error = FetchError;
    type Future = BoxFuture<'c, Result<HttpResponse, FetchError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let request = request.try_into().map_err(FetchError::Transport)?;
            self.execute(request).await
        })
    }
}
