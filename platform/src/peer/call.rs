//! One call: its attempts within the deadline, each in turn, and what is made of each answer.

use std::{sync::Arc, time::Duration};

use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout_at};

use super::{PeerError, recent::Recent, retry::Attempts, shared::Shared};
use crate::{
    auth::{AccessToken, MachineToken, TokenUnavailable},
    outbound,
    trace::{TRACEPARENT, TraceContext},
};

/// The largest answer that is read, in bytes; 500 tasks with long descriptions stay below it.
pub(super) const MAX_ANSWER: usize = 32 * 1024 * 1024;
/// The pause after a 429 that names none.
const DEFAULT_THROTTLE: Duration = Duration::from_secs(1);

/// What every answer of a peer is.
const JSON: &str = "application/json";

/// What the clones of a client share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) peer: Arc<Shared>,
    token: MachineToken,
    recent: Recent,
}

/// A call that may be sent several times: it only reads, or says what may be said twice.
pub(super) struct Call<'a> {
    method: Method,
    path: &'a str,
    body: Option<Vec<u8>>,
    answer: Answer,
}

/// What is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Json,
    /// Whatever: only that it was understood matters.
    Anything,
}

impl<'a> Call<'a> {
    pub(super) const fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            answer: Answer::Json,
        }
    }

    pub(super) const fn ask(path: &'a str, question: Vec<u8>) -> Self {
        Self {
            method: Method::POST,
            path,
            body: Some(question),
            answer: Answer::Json,
        }
    }

    pub(super) fn tell(path: &'a str, body: Vec<u8>) -> Self {
        Self {
            answer: Answer::Anything,
            ..Self::ask(path, body)
        }
    }
}

impl Inner {
    pub(super) fn new(peer: Arc<Shared>, token: MachineToken) -> Self {
        Self {
            peer,
            token,
            recent: Recent::new(),
        }
    }

    pub(super) fn decode<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, PeerError> {
        serde_json::from_slice(body).map_err(|error| {
            tracing::warn!(peer = self.peer.name, %error, "an answer cannot be read");
            PeerError::Garbled(Arc::new(error))
        })
    }

    /// An answer of the last second, or one that others wait for already, or a new one.
    pub(super) async fn read_recent(&self, path: &str) -> Result<Arc<[u8]>, PeerError> {
        let call = Call::get(path);
        self.recent.get_or(path, Box::pin(self.read(&call))).await
    }

    /// The answer's body, by the deadline.
    pub(super) async fn read(&self, call: &Call<'_>) -> Result<Vec<u8>, PeerError> {
        let deadline = Instant::now() + self.peer.deadline;
        let mut attempts = Attempts::default();
        let outcome = self.attempts(call, deadline, &mut attempts).await;
        if let Err(error) = &outcome {
            self.peer.seen.call_failed(error, attempts.has_sent);
        }
        outcome
    }

    async fn attempts(
        &self,
        call: &Call<'_>,
        deadline: Instant,
        attempts: &mut Attempts,
    ) -> Result<Vec<u8>, PeerError> {
        loop {
            let error = match self.attempt(call, deadline, attempts).await {
                Ok(body) => {
                    self.peer.budget.deposit();
                    return Ok(body);
                }
                Err(error) => error,
            };
            let Some(pause) = self.pause_before_retry(&error, deadline, attempts) else {
                return Err(error);
            };
            sleep(pause).await;
        }
    }

    /// The pause before the call is sent again; none when `error` is how it ends.
    fn pause_before_retry(
        &self,
        error: &PeerError,
        deadline: Instant,
        attempts: &mut Attempts,
    ) -> Option<Duration> {
        let pause = attempts.pause_after(error, &self.peer.sources)?;
        let in_time = Instant::now() + pause < deadline;
        (in_time && self.peer.budget.withdraw()).then_some(pause)
    }

    /// One request, and a second one when the peer refuses the token of the first.
    async fn attempt(
        &self,
        call: &Call<'_>,
        deadline: Instant,
        attempts: &mut Attempts,
    ) -> Result<Vec<u8>, PeerError> {
        if let Some(retry_in) = self.peer.breaker.rests_for() {
            return Err(PeerError::Open { retry_in });
        }
        let token = self.token_by(deadline).await?;
        let outcome = self.send_in_turn(call, &token, deadline, attempts).await;
        let refused = matches!(&outcome, Err(error) if error.is_unauthorized());
        if !refused || !attempts.replay_once() {
            return outcome;
        }
        tracing::info!(
            peer = self.peer.name,
            "the peer refused the token, which is renewed"
        );
        timeout_at(deadline, self.token.renew(&token))
            .await
            .map_err(|_elapsed| PeerError::Deadline)?
            .map_err(no_token)?;
        let renewed = self.token_by(deadline).await?;
        let outcome = self.send_in_turn(call, &renewed, deadline, attempts).await;
        if matches!(&outcome, Err(error) if error.is_unauthorized()) {
            tracing::error!(peer = self.peer.name, "the peer refuses a fresh token");
        }
        outcome
    }

    async fn token_by(&self, deadline: Instant) -> Result<AccessToken, PeerError> {
        timeout_at(deadline, self.token.current())
            .await
            .map_err(|_elapsed| PeerError::Deadline)?
            .map_err(no_token)
    }

    /// Sends once a slot and a turn of the limit are free and the breaker agrees.
    async fn send_in_turn(
        &self,
        call: &Call<'_>,
        token: &AccessToken,
        deadline: Instant,
        attempts: &mut Attempts,
    ) -> Result<Vec<u8>, PeerError> {
        let Ok(Ok(_slot)) = timeout_at(deadline, self.peer.slots.acquire()).await else {
            return Err(PeerError::Busy);
        };
        self.peer.wait_for_turn(deadline).await?;
        // A slot that became free at the deadline is of no use, and the peer is not to blame.
        if Instant::now() >= deadline {
            return Err(PeerError::Busy);
        }
        let permit = self
            .peer
            .breaker
            .admit()
            .map_err(|retry_in| PeerError::Open { retry_in })?;
        attempts.has_sent = true;
        let sending = timeout_at(deadline, self.send(call, token));
        let outcome = self.peer.seen.request(sending).await;
        match &outcome {
            Err(error) if error.is_failure_of_the_peer() => permit.failed(),
            _ => permit.succeeded(),
        }
        outcome
    }

    async fn send(&self, call: &Call<'_>, token: &AccessToken) -> Result<Vec<u8>, PeerError> {
        let response = self
            .request(call, token)
            .send()
            .await
            .map_err(unreachable_or_late)?;
        let asked_pause = outbound::retry_after(response.headers(), self.peer.sources.now());
        match response.status() {
            status if status.is_success() => {
                if call.answer == Answer::Json {
                    expect_json(&response)?;
                }
                read_body(response).await
            }
            StatusCode::NOT_FOUND => Err(PeerError::NotFound),
            StatusCode::TOO_MANY_REQUESTS => {
                let retry_after = asked_pause.unwrap_or(DEFAULT_THROTTLE);
                tracing::info!(
                    peer = self.peer.name,
                    ?retry_after,
                    "the peer asks for a pause"
                );
                self.peer.pause_for(retry_after);
                Err(PeerError::Throttled { retry_after })
            }
            StatusCode::SERVICE_UNAVAILABLE => Err(PeerError::Unavailable {
                retry_after: asked_pause,
            }),
            status if status.is_client_error() => Err(PeerError::Refused { status }),
            status => Err(PeerError::Failed { status }),
        }
    }

    /// What the present task works on; a job's calls begin traces of their own.
    fn trace(&self) -> TraceContext {
        TraceContext::current().unwrap_or_else(|| TraceContext::root(self.peer.sources.new_id()))
    }

    fn request(&self, call: &Call<'_>, token: &AccessToken) -> RequestBuilder {
        let request = self
            .peer
            .http
            .request(
                call.method.clone(),
                format!("{}{}", self.peer.base, call.path),
            )
            .bearer_auth(token.expose())
            .header(header::ACCEPT, JSON)
            .header(TRACEPARENT, self.trace().to_string());
        match &call.body {
            Some(body) => request
                .header(header::CONTENT_TYPE, JSON)
                .body(body.clone()),
            None => request,
        }
    }
}

fn no_token(unavailable: TokenUnavailable) -> PeerError {
    PeerError::Token(Arc::new(unavailable))
}

/// A page of a proxy that came instead of an answer is told apart from an answer.
fn expect_json(response: &Response) -> Result<(), PeerError> {
    let sent = response.headers().get(header::CONTENT_TYPE);
    let sent = sent
        .and_then(|value| value.to_str().ok())
        .unwrap_or("nothing said");
    let essence = sent.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(JSON) {
        return Ok(());
    }
    Err(PeerError::NotJson {
        content_type: sent.to_owned(),
    })
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
        PeerError::Unreachable(Arc::new(error.without_url()))
    }
}
