//! The one client for REST calls to other services: bounded, limited, patient, and quick to give up.
//!
//! Source: DESIGN.md section 7. Limits count per process, so replicas times limit must stay below
//! what the peer allows this caller.

mod breaker;
mod budget;
mod counters;
mod error;
mod report;
mod retry;
#[cfg(test)]
mod tests;

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout_at},
};
use url::Url;

use self::{breaker::Breaker, budget::RetryBudget, counters::Counters, retry::Attempts};
use crate::{
    auth::{AccessToken, MachineToken},
    outbound::{self, Timeouts},
    rate_limit::RateLimit,
    sources::Sources,
};

pub use self::{
    counters::PeerCounters,
    error::PeerError,
    report::{BreakerState, PeerReport},
};

/// Time to make a connection.
const CONNECT: Duration = Duration::from_millis(300);
/// The largest answer that is read, in bytes; 500 tasks with long descriptions stay below it.
const MAX_ANSWER: usize = 32 * 1024 * 1024;
/// The pause after a 429 that names none.
const DEFAULT_THROTTLE: Duration = Duration::from_secs(1);

/// Section `[peers.<name>]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Where the peer's REST interface is, without a path.
    pub url: Url,
    /// The most calls under way at once.
    pub max_in_flight: NonZeroU32,
    /// The most calls a second.
    pub per_second: NonZeroU32,
    /// The time for one call with all its attempts, in milliseconds.
    pub deadline_ms: u64,
}

/// A client for one peer; clones share limits, breaker and token.
#[derive(Debug, Clone)]
pub struct PeerClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: &'static str,
    base: String,
    deadline: Duration,
    http: Client,
    token: MachineToken,
    slots: Semaphore,
    max_in_flight: usize,
    per_second: u32,
    limit: RateLimit,
    paused_until: Mutex<Option<Instant>>,
    breaker: Breaker,
    budget: RetryBudget,
    counters: Counters,
    sources: Sources,
}

/// A call that may be sent several times, since it only reads.
struct Call<'a> {
    method: Method,
    path: &'a str,
    body: Option<Vec<u8>>,
}

impl PeerClient {
    /// A client for the peer called `name` in logs, which lets callers in with `token`.
    ///
    /// # Errors
    /// When the trust anchors of the machine cannot be read.
    pub fn try_new(
        name: &'static str,
        config: &PeerConfig,
        token: MachineToken,
        sources: Sources,
    ) -> reqwest::Result<Self> {
        let deadline = Duration::from_millis(config.deadline_ms);
        let http = outbound::client(Timeouts {
            connect: CONNECT,
            request: deadline,
        })?;
        let slots = usize::try_from(config.max_in_flight.get())
            .unwrap_or(Semaphore::MAX_PERMITS)
            .min(Semaphore::MAX_PERMITS);
        Ok(Self {
            inner: Arc::new(Inner {
                name,
                base: config.url.as_str().trim_end_matches('/').to_owned(),
                deadline,
                http,
                token,
                slots: Semaphore::new(slots),
                max_in_flight: slots,
                per_second: config.per_second.get(),
                limit: RateLimit::per_second(config.per_second),
                paused_until: Mutex::new(None),
                breaker: Breaker::new(&sources),
                budget: RetryBudget::new(),
                counters: Counters::default(),
                sources,
            }),
        })
    }

    /// Reads `path`, which begins with a slash.
    ///
    /// # Errors
    /// See [`PeerError`]; the deadline of the peer bounds the call with all its attempts.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, PeerError> {
        let call = Call {
            method: Method::GET,
            path,
            body: None,
        };
        self.inner.read(&call).await
    }

    /// Reads by a question too long for a path; only for questions, since it may be sent twice.
    ///
    /// # Errors
    /// See [`PeerError`]; the deadline of the peer bounds the call with all its attempts.
    pub async fn post_json<B, T>(&self, path: &str, body: &B) -> Result<T, PeerError>
    where
        B: Serialize + ?Sized + Sync,
        T: DeserializeOwned,
    {
        let call = Call {
            method: Method::POST,
            path,
            body: Some(serde_json::to_vec(body).map_err(PeerError::Unwritable)?),
        };
        self.inner.read(&call).await
    }

    /// Tells the peer something that may be said twice; its answer's body does not matter.
    ///
    /// # Errors
    /// See [`PeerError`]; the deadline of the peer bounds the call with all its attempts.
    pub async fn tell<B>(&self, path: &str, body: &B) -> Result<(), PeerError>
    where
        B: Serialize + ?Sized + Sync,
    {
        let call = Call {
            method: Method::POST,
            path,
            body: Some(serde_json::to_vec(body).map_err(PeerError::Unwritable)?),
        };
        self.inner.call(&call).await.map(drop)
    }

    /// How the client is at this moment.
    #[must_use]
    pub fn report(&self) -> PeerReport {
        let inner = &self.inner;
        PeerReport {
            peer: inner.name.to_owned(),
            in_flight: inner.max_in_flight - inner.slots.available_permits(),
            max_in_flight: inner.max_in_flight,
            per_second: inner.per_second,
            held_back: inner.counters.read().held_back,
            breaker: inner.breaker.state(),
        }
    }

    /// Waits until the breaker lets calls through; a job that fetches rests here.
    pub async fn rested(&self) {
        self.inner.breaker.rested().await;
    }

    /// What this client has seen so far.
    #[must_use]
    pub fn counters(&self) -> PeerCounters {
        self.inner.counters.read()
    }
}

impl Inner {
    async fn read<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, PeerError> {
        let outcome = match self.call(call).await {
            Ok(body) => serde_json::from_slice(&body).map_err(PeerError::Garbled),
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(_) | Err(PeerError::NotFound) => self.counters.answered.add_one(),
            Err(error) => {
                self.counters.failed.add_one();
                if matches!(error, PeerError::Open { .. }) {
                    self.counters.held_back.add_one();
                }
                tracing::debug!(peer = self.name, %error, "a call failed");
            }
        }
        outcome
    }

    async fn call(&self, call: &Call<'_>) -> Result<Vec<u8>, PeerError> {
        let deadline = Instant::now() + self.deadline;
        let mut attempts = Attempts::default();
        loop {
            let error = match self.attempt(call, deadline, &mut attempts).await {
                Ok(body) => {
                    self.budget.deposit();
                    return Ok(body);
                }
                Err(error) => error,
            };
            let Some(pause) = self.pause_before_retry(&error, deadline, &mut attempts) else {
                return Err(error);
            };
            sleep(pause).await;
            self.counters.retries.add_one();
        }
    }

    /// The pause before the call is sent again; none when `error` is how it ends.
    fn pause_before_retry(
        &self,
        error: &PeerError,
        deadline: Instant,
        attempts: &mut Attempts,
    ) -> Option<Duration> {
        let pause = attempts.pause_after(error, &self.sources)?;
        let in_time = Instant::now() + pause < deadline;
        (in_time && self.budget.withdraw()).then_some(pause)
    }

    /// One request, and a second one when the peer refuses the token of the first.
    async fn attempt(
        &self,
        call: &Call<'_>,
        deadline: Instant,
        attempts: &mut Attempts,
    ) -> Result<Vec<u8>, PeerError> {
        if let Some(retry_in) = self.breaker.rests_for() {
            return Err(PeerError::Open { retry_in });
        }
        let token = self.token_by(deadline).await?;
        let outcome = self.send_in_turn(call, &token, deadline).await;
        let refused = matches!(&outcome, Err(error) if error.is_unauthorized());
        if !refused || !attempts.replay_once() {
            return outcome;
        }
        tracing::info!(
            peer = self.name,
            "the peer refused the token, which is renewed"
        );
        timeout_at(deadline, self.token.renew(&token))
            .await
            .map_err(|_elapsed| PeerError::Deadline)?
            .map_err(PeerError::Token)?;
        let renewed = self.token_by(deadline).await?;
        self.counters.retries.add_one();
        let outcome = self.send_in_turn(call, &renewed, deadline).await;
        if matches!(&outcome, Err(error) if error.is_unauthorized()) {
            tracing::error!(peer = self.name, "the peer refuses a fresh token");
        }
        outcome
    }

    async fn token_by(&self, deadline: Instant) -> Result<AccessToken, PeerError> {
        timeout_at(deadline, self.token.current())
            .await
            .map_err(|_elapsed| PeerError::Deadline)?
            .map_err(PeerError::Token)
    }

    /// Sends once a slot and a turn of the limit are free and the breaker agrees.
    async fn send_in_turn(
        &self,
        call: &Call<'_>,
        token: &AccessToken,
        deadline: Instant,
    ) -> Result<Vec<u8>, PeerError> {
        let Ok(Ok(_slot)) = timeout_at(deadline, self.slots.acquire()).await else {
            return Err(PeerError::Busy);
        };
        self.wait_for_turn(deadline).await?;
        // A slot that became free at the deadline is of no use, and the peer is not to blame.
        if Instant::now() >= deadline {
            return Err(PeerError::Busy);
        }
        let permit = self
            .breaker
            .admit()
            .map_err(|retry_in| PeerError::Open { retry_in })?;
        self.counters.requests.add_one();
        let outcome = timeout_at(deadline, self.send(call, token))
            .await
            .unwrap_or(Err(PeerError::Deadline));
        match &outcome {
            Err(error) if error.is_failure_of_the_peer() => permit.failed(),
            _ => permit.succeeded(),
        }
        outcome
    }

    /// Waits for the pause after a 429 and for a turn of the limit, unless that passes the deadline.
    async fn wait_for_turn(&self, deadline: Instant) -> Result<(), PeerError> {
        loop {
            let retry_after = match self.pause_left() {
                Some(left) => left,
                None => match self.limit.take() {
                    Ok(()) => return Ok(()),
                    Err(left) => left,
                },
            };
            if Instant::now() + retry_after >= deadline {
                return Err(PeerError::Throttled { retry_after });
            }
            sleep(retry_after).await;
        }
    }

    fn pause_left(&self) -> Option<Duration> {
        let until = *self
            .paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until
            .map(|until| until.saturating_duration_since(Instant::now()))
            .filter(|left| !left.is_zero())
    }

    fn pause_for(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut paused = self
            .paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *paused = Some(paused.map_or(until, |earlier| earlier.max(until)));
    }

    async fn send(&self, call: &Call<'_>, token: &AccessToken) -> Result<Vec<u8>, PeerError> {
        let response = self
            .request(call, token)
            .send()
            .await
            .map_err(unreachable_or_late)?;
        let asked_pause = outbound::retry_after(response.headers(), self.sources.now());
        match response.status() {
            status if status.is_success() => read_body(response).await,
            StatusCode::NOT_FOUND => Err(PeerError::NotFound),
            StatusCode::TOO_MANY_REQUESTS => {
                let retry_after = asked_pause.unwrap_or(DEFAULT_THROTTLE);
                tracing::info!(peer = self.name, ?retry_after, "the peer asks for a pause");
                self.pause_for(retry_after);
                Err(PeerError::Throttled { retry_after })
            }
            StatusCode::SERVICE_UNAVAILABLE => Err(PeerError::Unavailable {
                retry_after: asked_pause,
            }),
            status if status.is_client_error() => Err(PeerError::Refused { status }),
            status => Err(PeerError::Failed { status }),
        }
    }

    fn request(&self, call: &Call<'_>, token: &AccessToken) -> RequestBuilder {
        let request = self
            .http
            .request(call.method.clone(), format!("{}{}", self.base, call.path))
            .bearer_auth(token.expose())
            .header(header::ACCEPT, "application/json");
        match &call.body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.clone()),
            None => request,
        }
    }
}

/// Reads the body up to the limit, whatever length was announced.
async fn read_body(mut response: Response) -> Result<Vec<u8>, PeerError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable_or_late)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(PeerError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A time-out is the deadline unless it was that of connecting, which is worth another attempt.
fn unreachable_or_late(error: reqwest::Error) -> PeerError {
    if error.is_timeout() && !error.is_connect() {
        PeerError::Deadline
    } else {
        PeerError::Unreachable(error.without_url())
    }
}
