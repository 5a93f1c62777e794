//! The client against a peer that answers as told: what it makes of each answer, and how often it asks.

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

use super::{PeerClient, PeerConfig, PeerError};
use crate::{auth::testing::FakeIssuer, lifecycle::Lifecycle};

/// How long a slow peer takes: far more than any deadline here, also on a busy machine.
const SLOW: Duration = Duration::from_secs(30);

/// One answer of the peer.
#[derive(Debug, Clone)]
enum Step {
    Status(u16),
    RetryAfter(u16, &'static str),
    Json(Value),
    Garbage,
    SlowHeader,
    SlowBody,
    Reset,
    Huge,
    Redirect(String),
}

#[derive(Debug, Default)]
struct Script {
    /// Answers in order; the last one repeats.
    steps: Mutex<VecDeque<Step>>,
    requests: AtomicU64,
    tokens: Mutex<Vec<String>>,
    bodies: Mutex<Vec<Bytes>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

struct Peer {
    script: Arc<Script>,
    address: String,
    lifecycle: Lifecycle,
    issuer: FakeIssuer,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

impl Peer {
    async fn answering(steps: impl IntoIterator<Item = Step>) -> Self {
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

    fn config(&self) -> PeerConfig {
        PeerConfig {
            url: self.address.parse().unwrap(),
            max_in_flight: 2.try_into().unwrap(),
            per_second: 1_000.try_into().unwrap(),
            deadline_ms: 2_000,
        }
    }

    fn client_with(&self, config: &PeerConfig) -> PeerClient {
        let token = self.issuer.machine_token("tasks:read");
        PeerClient::try_new("scripted", config, token, self.issuer.sources.clone()).unwrap()
    }

    fn client(&self) -> PeerClient {
        self.client_with(&self.config())
    }

    fn requests(&self) -> u64 {
        self.script.requests.load(Ordering::SeqCst)
    }
}

async fn answer(State(script): State<Arc<Script>>, headers: HeaderMap, body: Bytes) -> Response {
    script.requests.fetch_add(1, Ordering::SeqCst);
    let under_way = script.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    script.most_under_way.fetch_max(under_way, Ordering::SeqCst);
    let token = headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
    script.tokens.lock().unwrap().push(token);
    script.bodies.lock().unwrap().push(body);
    let step = {
        let mut steps = script.steps.lock().unwrap();
        if steps.len() > 1 {
            steps.pop_front()
        } else {
            steps.front().cloned()
        }
    };
    let response = respond(step.unwrap()).await;
    script.under_way.fetch_sub(1, Ordering::SeqCst);
    response
}

async fn respond(step: Step) -> Response {
    match step {
        Step::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Step::RetryAfter(status, pause) => (
            StatusCode::from_u16(status).unwrap(),
            [(header::RETRY_AFTER, pause)],
        )
            .into_response(),
        Step::Json(value) => axum::Json(value).into_response(),
        Step::Garbage => "<html>".into_response(),
        Step::SlowHeader => {
            tokio::time::sleep(SLOW).await;
            StatusCode::OK.into_response()
        }
        Step::SlowBody => {
            let late = futures::stream::once(async {
                tokio::time::sleep(SLOW).await;
                Ok::<_, std::io::Error>("{}")
            });
            Body::from_stream(late).into_response()
        }
        Step::Reset => {
            let broken = futures::stream::iter([
                Ok("{"),
                Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
            ]);
            Body::from_stream(broken).into_response()
        }
        Step::Huge => Body::from(vec![b' '; super::MAX_ANSWER + 1]).into_response(),
        Step::Redirect(to) => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response()
        }
    }
}

fn ok() -> Step {
    Step::Json(json!({ "name": "ann" }))
}

type IsExpected = fn(&PeerError) -> bool;
type Outcome = Result<Value, PeerError>;

#[tokio::test]
async fn each_status_is_asked_for_as_often_as_it_makes_sense() {
    let cases: [(u16, u64, IsExpected); 14] = [
        (400, 1, |e| matches!(e, PeerError::Refused { .. })),
        (401, 2, |e| matches!(e, PeerError::Refused { .. })),
        (403, 1, |e| matches!(e, PeerError::Refused { .. })),
        (404, 1, |e| matches!(e, PeerError::NotFound)),
        (409, 1, |e| matches!(e, PeerError::Refused { .. })),
        (410, 1, |e| matches!(e, PeerError::Refused { .. })),
        (422, 1, |e| matches!(e, PeerError::Refused { .. })),
        (429, 1, |e| matches!(e, PeerError::Throttled { .. })),
        (302, 1, |e| matches!(e, PeerError::Failed { .. })),
        (500, 2, |e| matches!(e, PeerError::Failed { .. })),
        (501, 1, |e| matches!(e, PeerError::Failed { .. })),
        (502, 3, |e| matches!(e, PeerError::Failed { .. })),
        (503, 3, |e| matches!(e, PeerError::Unavailable { .. })),
        (504, 3, |e| matches!(e, PeerError::Failed { .. })),
    ];
    for (status, requests, is_expected) in cases {
        let peer = Peer::answering([Step::Status(status)]).await;
        let outcome: Outcome = peer.client().get_json("/users/1").await;
        let error = outcome.unwrap_err();
        assert!(is_expected(&error), "{status}: {error:?}");
        assert_eq!(peer.requests(), requests, "{status}");
        let is_final = (400..500).contains(&status) && status != 429;
        assert_eq!(error.is_final(), is_final, "{status}");
    }
}

#[tokio::test]
async fn a_passing_failure_is_not_seen_by_the_caller() {
    for first in [500, 502, 503, 504] {
        let peer = Peer::answering([Step::Status(first), ok()]).await;
        let client = peer.client();
        let answer: Value = client.get_json("/users/1").await.unwrap();
        assert_eq!(answer["name"], "ann");
        let counters = client.counters();
        assert_eq!(
            (counters.requests, counters.retries, counters.answered),
            (2, 1, 1)
        );
    }
}

#[tokio::test]
async fn a_question_is_repeated_with_its_body() {
    let peer = Peer::answering([Step::Status(502), ok()]).await;
    let answer: Outcome = peer
        .client()
        .post_json("/users/batch-get", &json!([1]))
        .await;
    answer.unwrap();
    assert_eq!(*peer.script.bodies.lock().unwrap(), ["[1]", "[1]"]);
}

#[tokio::test]
async fn a_refused_token_is_renewed_and_the_call_sent_again() {
    let peer = Peer::answering([Step::Status(401), ok()]).await;
    let answer: Outcome = peer.client().get_json("/users/1").await;
    answer.unwrap();
    assert_eq!(
        *peer.script.tokens.lock().unwrap(),
        ["Bearer token-0", "Bearer token-1"]
    );
}

#[tokio::test]
async fn a_peer_that_refuses_every_token_does_not_cause_a_storm_of_tokens() {
    let peer = Peer::answering([Step::Status(401)]).await;
    let client = peer.client();
    for _ in 0..5 {
        let outcome: Outcome = client.get_json("/users/1").await;
        outcome.unwrap_err();
    }
    assert_eq!(peer.issuer.token_requests(), 2);
}

#[tokio::test]
async fn a_429_pauses_every_call_until_it_is_over() {
    let peer = Peer::answering([Step::RetryAfter(429, "3"), ok()]).await;
    let client = peer.client();
    let first: Outcome = client.get_json("/users/1").await;
    let pause = first.unwrap_err().retry_after();
    assert_eq!(pause, Some(Duration::from_secs(3)));

    let during: Outcome = client.get_json("/users/2").await;
    assert!(matches!(during, Err(PeerError::Throttled { .. })));
    assert_eq!(peer.requests(), 1, "the peer is not asked during the pause");

    tokio::time::sleep(Duration::from_secs(2)).await;
    let after: Outcome = client.get_json("/users/3").await;
    assert!(
        after.is_ok(),
        "what is left of the pause fits into the deadline"
    );
}

#[tokio::test]
async fn a_503_that_asks_for_more_than_the_deadline_ends_the_call() {
    let peer = Peer::answering([Step::RetryAfter(503, "30")]).await;
    let began = Instant::now();
    let outcome: Outcome = peer.client().get_json("/users/1").await;
    let error = outcome.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
    assert_eq!(peer.requests(), 1);
    assert!(began.elapsed() < SLOW);
}

#[tokio::test]
async fn a_slow_peer_costs_the_deadline_and_one_request() {
    for step in [Step::SlowHeader, Step::SlowBody] {
        let peer = Peer::answering([step.clone()]).await;
        let began = Instant::now();
        let outcome: Outcome = peer.client().get_json("/users/1").await;
        assert!(matches!(outcome, Err(PeerError::Deadline)), "{step:?}");
        assert!(began.elapsed() < SLOW, "{step:?}");
        assert_eq!(peer.requests(), 1, "{step:?}");
    }
}

#[tokio::test]
async fn a_broken_connection_is_tried_again() {
    let peer = Peer::answering([Step::Reset, ok()]).await;
    let outcome: Outcome = peer.client().get_json("/users/1").await;
    outcome.unwrap();
    assert_eq!(peer.requests(), 2);
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let peer = Peer::answering([ok()]).await;
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let config = PeerConfig {
        url: url.parse().unwrap(),
        ..peer.config()
    };
    let outcome: Outcome = peer.client_with(&config).get_json("/users/1").await;
    assert!(
        matches!(outcome, Err(PeerError::Unreachable(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn answers_that_are_none_are_told_apart() {
    let peer = Peer::answering([Step::Garbage]).await;
    let outcome: Outcome = peer.client().get_json("/users/1").await;
    assert!(matches!(outcome, Err(PeerError::Garbled(_))));
    assert_eq!(peer.requests(), 1);

    let peer = Peer::answering([Step::Huge]).await;
    let config = PeerConfig {
        deadline_ms: 10_000,
        ..peer.config()
    };
    let outcome: Outcome = peer.client_with(&config).get_json("/users/1").await;
    assert!(matches!(outcome, Err(PeerError::TooLarge)), "{outcome:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Peer::answering([ok()]).await;
    let peer = Peer::answering([Step::Redirect(elsewhere.address.clone())]).await;
    let outcome: Outcome = peer.client().get_json("/users/1").await;
    outcome.unwrap_err();
    assert_eq!((peer.requests(), elsewhere.requests()), (1, 0));
}

#[tokio::test]
async fn a_failing_peer_is_left_alone() {
    let peer = Peer::answering([Step::Status(502)]).await;
    let client = peer.client();
    for _ in 0..10 {
        let outcome: Outcome = client.get_json("/users/1").await;
        outcome.unwrap_err();
    }
    assert_eq!(
        peer.requests(),
        5,
        "the fifth failure in a row opens the breaker"
    );
    let outcome: Outcome = client.get_json("/users/1").await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, PeerError::Open { .. }));
    assert!(error.retry_after() > Some(Duration::from_secs(4)));
    assert!(client.counters().held_back >= 8);
}

#[tokio::test]
async fn refusals_do_not_open_the_breaker() {
    let peer = Peer::answering([Step::Status(404)]).await;
    let client = peer.client();
    for _ in 0..30 {
        let outcome: Outcome = client.get_json("/users/1").await;
        assert!(matches!(outcome, Err(PeerError::NotFound)));
    }
    assert_eq!(peer.requests(), 30);
}

#[tokio::test]
async fn no_more_calls_are_under_way_than_allowed() {
    let peer = Peer::answering([ok()]).await;
    let client = peer.client();
    let calls = (0..40).map(|_| client.get_json::<Value>("/users/1"));
    let outcomes = futures::future::join_all(calls).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert!(peer.script.most_under_way.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn calls_that_find_no_slot_in_time_say_so() {
    let peer = Peer::answering([Step::SlowHeader]).await;
    let client = peer.client();
    let calls = (0..4).map(|_| client.get_json::<Value>("/users/1"));
    let outcomes = futures::future::join_all(calls).await;
    let busy = outcomes
        .iter()
        .filter(|o| matches!(o, Err(PeerError::Busy)))
        .count();
    assert_eq!((busy, peer.requests()), (2, 2));
}

#[tokio::test]
async fn no_more_calls_a_second_than_allowed() {
    let peer = Peer::answering([ok()]).await;
    let config = PeerConfig {
        per_second: 10.try_into().unwrap(),
        ..peer.config()
    };
    let client = peer.client_with(&config);
    let began = Instant::now();
    let calls = (0..15).map(|_| client.get_json::<Value>("/users/1"));
    let outcomes = futures::future::join_all(calls).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert!(
        began.elapsed() >= Duration::from_millis(450),
        "ten at once, then one each 100 ms"
    );
}

#[tokio::test]
async fn without_a_token_the_peer_is_not_asked() {
    let peer = Peer::answering([ok()]).await;
    peer.issuer.fail_tokens(503);
    let outcome: Outcome = peer.client().get_json("/users/1").await;
    assert!(matches!(outcome, Err(PeerError::Token(_))));
    assert_eq!(peer.requests(), 0);
}
