//! The client against a peer that answers as told: what it makes of each answer, and how often it asks.

mod scripted;
mod still_clock;
mod tokens;

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use uuid::Uuid;

use self::scripted::{Peer, Step, ok};
use super::{PeerConfig, PeerError};
use crate::trace::TraceContext;

type IsExpected = fn(&PeerError) -> bool;
type Outcome = Result<Value, PeerError>;

#[tokio::test]
async fn each_status_is_asked_for_as_often_as_it_makes_sense() {
    let cases: [(u16, u64, IsExpected); 17] = [
        (400, 1, |e| matches!(e, PeerError::Refused { .. })),
        (401, 2, |e| matches!(e, PeerError::Refused { .. })),
        (403, 1, |e| matches!(e, PeerError::Refused { .. })),
        (404, 1, |e| matches!(e, PeerError::NotFound)),
        (408, 1, |e| matches!(e, PeerError::Refused { .. })),
        (409, 1, |e| matches!(e, PeerError::Refused { .. })),
        (410, 1, |e| matches!(e, PeerError::Refused { .. })),
        (422, 1, |e| matches!(e, PeerError::Refused { .. })),
        (425, 1, |e| matches!(e, PeerError::Refused { .. })),
        (499, 1, |e| matches!(e, PeerError::Refused { .. })),
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
    }
}

#[tokio::test]
async fn a_passing_failure_is_not_seen_by_the_caller() {
    for first in [500, 502, 503, 504] {
        let peer = Peer::answering([Step::Status(first), ok()]).await;
        let client = peer.client();
        let answer: Value = client.get_json("/users/1").await.unwrap();
        assert_eq!(answer["name"], "ann");
        assert_eq!(peer.requests(), 2);
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
async fn a_call_is_replayed_with_another_token_once_whatever_it_is_repeated_for() {
    let answers = [Step::Status(401), Step::Status(503), Step::Status(401)];
    let peer = Peer::answering(answers).await;
    let outcome: Outcome = peer.client().get_json("/users/1").await;
    let refused = matches!(&outcome, Err(PeerError::Refused { .. }));
    assert!(refused, "{outcome:?}");
    assert_eq!(peer.requests(), 3);
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
async fn answers_that_are_none_are_told_apart() {
    let peer = Peer::answering([Step::Garbage]).await;
    let outcome: Outcome = peer.client().get_json("/users/1").await;
    assert!(matches!(outcome, Err(PeerError::Garbled(_))));
    assert_eq!(peer.requests(), 1);

    let peer = Peer::answering([Step::Page]).await;
    let outcome: Outcome = peer.client().get_json("/users/1").await;
    assert!(matches!(outcome, Err(PeerError::NotJson { .. })));
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
async fn without_a_token_the_peer_is_not_asked() {
    let peer = Peer::answering([ok()]).await;
    peer.issuer.fail_tokens(503);
    let outcome: Outcome = peer.client().get_json("/users/1").await;
    assert!(matches!(outcome, Err(PeerError::Token(_))));
    assert_eq!(peer.requests(), 0);
}

#[tokio::test]
async fn equal_questions_of_those_who_may_be_a_second_late_share_an_answer() {
    let peer = Peer::answering([ok()]).await;
    let client = peer.client();
    let calls = (0..10).map(|_| client.get_recent::<Value>("/users/1"));
    let outcomes = futures::future::join_all(calls).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(peer.requests(), 1);
    let other: Outcome = client.get_recent("/users/2").await;
    other.unwrap();
    assert_eq!(peer.requests(), 2);
}

#[tokio::test]
async fn a_record_that_does_not_exist_is_asked_for_once_a_second_and_a_failure_again() {
    let peer = Peer::answering([Step::Status(404)]).await;
    let client = peer.client();
    for _ in 0..2 {
        let outcome: Outcome = client.get_recent("/users/1").await;
        assert!(matches!(outcome, Err(PeerError::NotFound)));
    }
    assert_eq!(peer.requests(), 1);

    let peer = Peer::answering([Step::Status(403), ok()]).await;
    let client = peer.client();
    let refused: Outcome = client.get_recent("/users/1").await;
    refused.unwrap_err();
    let answered: Outcome = client.get_recent("/users/1").await;
    answered.unwrap();
    assert_eq!(peer.requests(), 2);
}

#[tokio::test]
async fn what_an_event_asked_for_is_never_answered_by_an_earlier_call() {
    let peer = Peer::answering([ok()]).await;
    let client = peer.client();
    let calls = (0..3).map(|_| client.get_json::<Value>("/users/1"));
    futures::future::join_all(calls).await;
    assert_eq!(peer.requests(), 3);
}

#[tokio::test]
async fn a_call_continues_the_trace_of_what_it_is_made_for() {
    let peer = Peer::answering([ok()]).await;
    let client = peer.client();
    let trace = TraceContext::root(Uuid::from_u128(0xabc));
    let made_for: Outcome = trace.scope(client.get_json("/users/1")).await;
    made_for.unwrap();
    let of_a_job: Outcome = client.get_json("/users/1").await;
    of_a_job.unwrap();
    let traces = peer.script.traces.lock().unwrap().clone();
    assert_eq!(traces[0], trace.to_string());
    let begun = TraceContext::parse(&traces[1]).unwrap();
    assert_ne!(begun.trace_id(), trace.trace_id());
}
