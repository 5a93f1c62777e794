//! A peer that answers as told, and remembers what it was asked and when.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::Instant};

use crate::{
    auth::testing::FakeIssuer,
    lifecycle::Lifecycle,
    peer::{PeerClient, PeerConfig, call::MAX_ANSWER},
    trace::TRACEPARENT,
};

/// How long a slow peer takes: far more than any deadline here, also on a busy machine.
const SLOW: Duration = Duration::from_secs(30);

/// One answer of the peer.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Status(u16),
    RetryAfter(u16, &'static str),
    Json(Value),
    /// JSON by its header only.
    Garbage,
    /// What a proxy shows people.
    Page,
    SlowHeader,
    SlowBody,
    Reset,
    Huge,
    Redirect(String),
}

#[derive(Debug, Default)]
pub(super) struct Script {
    /// Answers in order; the last one repeats.
    steps: Mutex<VecDeque<Step>>,
    requests: AtomicU64,
    pub(super) arrivals: Mutex<Vec<Instant>>,
    pub(super) tokens: Mutex<Vec<String>>,
    pub(super) traces: Mutex<Vec<String>>,
    pub(super) bodies: Mutex<Vec<Bytes>>,
    under_way: AtomicUsize,
    /// Answers that are held back on purpose.
    dawdling: AtomicUsize,
    pub(super) most_under_way: AtomicUsize,
}

pub(super) struct Peer {
    pub(super) script: Arc<Script>,
    pub(super) address: String,
    lifecycle: Lifecycle,
    pub(super) issuer: FakeIssuer,
}

impl Script {
    async fn dawdle(&self) {
        self.dawdling.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(SLOW).await;
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

impl Peer {
    pub(super) async fn answering(steps: impl IntoIterator<Item = Step>) -> Self {
        let script = Arc::new(Script::default());
        *script.steps.lock().unwrap() = steps.into_iter().collect();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&script));
        let lifecycle = Lifecycle::new();
        let stopping = lifecycle.stopping();
        lifecycle.spawn("scripted peer", async move {
            let served = axum::serve(listener, router);
            drop(stopping.run_until_cancelled(served.into_future()).await);
        });
        Self {
            script,
            address,
            lifecycle,
            issuer: FakeIssuer::start().await,
        }
    }

    pub(super) fn config(&self) -> PeerConfig {
        PeerConfig {
            url: self.address.parse().unwrap(),
            max_in_flight: 2.try_into().unwrap(),
            per_second: 1_000.try_into().unwrap(),
            deadline_ms: 2_000,
        }
    }

    pub(super) fn client_with(&self, config: &PeerConfig) -> PeerClient {
        let token = self.issuer.machine_token("tasks:read");
        PeerClient::try_new("scripted", config, token, self.issuer.sources.clone()).unwrap()
    }

    pub(super) fn client(&self) -> PeerClient {
        self.client_with(&self.config())
    }

    /// A client that has its token already, after which tokio's time stands still.
    pub(super) async fn client_on_a_still_clock(&self, config: &PeerConfig) -> PeerClient {
        let token = self.issuer.machine_token("tasks:read");
        token.current().await.unwrap();
        tokio::time::pause();
        PeerClient::try_new("scripted", config, token, self.issuer.sources.clone()).unwrap()
    }

    /// Whether an answer waits for time to pass.
    pub(super) fn dawdles(&self) -> bool {
        self.script.dawdling.load(Ordering::SeqCst) > 0
    }

    /// The times between requests.
    pub(super) fn pauses(&self) -> Vec<Duration> {
        let arrivals = self.script.arrivals.lock().unwrap();
        arrivals.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    pub(super) fn requests(&self) -> u64 {
        self.script.requests.load(Ordering::SeqCst)
    }
}

async fn answer(State(script): State<Arc<Script>>, headers: HeaderMap, body: Bytes) -> Response {
    script.requests.fetch_add(1, Ordering::SeqCst);
    script.arrivals.lock().unwrap().push(Instant::now());
    let under_way = script.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    script.most_under_way.fetch_max(under_way, Ordering::SeqCst);
    let token = headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
    script.tokens.lock().unwrap().push(token);
    let trace = headers[TRACEPARENT].to_str().unwrap().to_owned();
    script.traces.lock().unwrap().push(trace);
    script.bodies.lock().unwrap().push(body);
    let step = {
        let mut steps = script.steps.lock().unwrap();
        if steps.len() > 1 {
            steps.pop_front()
        } else {
            steps.front().cloned()
        }
    };
    let response = respond(step.unwrap(), &script).await;
    script.under_way.fetch_sub(1, Ordering::SeqCst);
    response
}

async fn respond(step: Step, script: &Arc<Script>) -> Response {
    match step {
        Step::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Step::RetryAfter(status, pause) => (
            StatusCode::from_u16(status).unwrap(),
            [(header::RETRY_AFTER, pause)],
        )
            .into_response(),
        Step::Json(value) => axum::Json(value).into_response(),
        Step::Garbage => json_of(Body::from("<html>")),
        Step::Page => "<html>".into_response(),
        Step::SlowHeader => {
            script.dawdle().await;
            StatusCode::OK.into_response()
        }
        Step::SlowBody => {
            let script = Arc::clone(script);
            let late = futures::stream::once(async move {
                script.dawdle().await;
                Ok::<_, std::io::Error>("{}")
            });
            json_of(Body::from_stream(late))
        }
        Step::Reset => {
            let broken = futures::stream::iter([
                Ok("{"),
                Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
            ]);
            json_of(Body::from_stream(broken))
        }
        Step::Huge => json_of(Body::from(vec![b' '; MAX_ANSWER + 1])),
        Step::Redirect(to) => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response()
        }
    }
}

fn json_of(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// An answer as it should be.
pub(super) fn ok() -> Step {
    Step::Json(json!({ "name": "ann" }))
}
