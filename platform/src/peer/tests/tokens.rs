//! Clients of one peer that are let in by different tokens spare it together.

use std::sync::atomic::Ordering;

use futures::future::join_all;
use serde_json::Value;

use super::{
    Outcome,
    scripted::{Peer, Step, ok},
};
use crate::peer::{PeerClient, PeerError};

/// A client, and another one of the same peer for another scope.
fn both(peer: &Peer) -> (PeerClient, PeerClient) {
    let first = peer.client();
    let second = first.with_token(peer.issuer.machine_token("messages:read"));
    (first, second)
}

#[tokio::test]
async fn no_more_calls_are_under_way_together_than_allowed() {
    let peer = Peer::answering([ok()]).await;
    let (first, second) = both(&peer);
    let calls =
        (0..20).flat_map(|_| [&first, &second].map(|client| client.get_json::<Value>("/users/1")));
    let outcomes = join_all(calls).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert!(peer.script.most_under_way.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn a_pause_that_one_was_asked_for_is_kept_by_both() {
    let peer = Peer::answering([Step::RetryAfter(429, "60"), ok()]).await;
    let (first, second) = both(&peer);
    let outcome: Outcome = first.get_json("/users/1").await;
    outcome.unwrap_err();
    let outcome: Outcome = second.get_json("/messages/sent").await;
    assert!(matches!(outcome, Err(PeerError::Throttled { .. })));
    assert_eq!(peer.requests(), 1);
}

#[tokio::test]
async fn what_one_found_failing_is_left_alone_by_both() {
    let peer = Peer::answering([Step::Status(501)]).await;
    let (first, second) = both(&peer);
    for _ in 0..5 {
        let outcome: Outcome = first.get_json("/users/1").await;
        outcome.unwrap_err();
    }
    let outcome: Outcome = second.get_json("/messages/sent").await;
    assert!(matches!(outcome, Err(PeerError::Open { .. })));
    assert_eq!(peer.requests(), 5);
}
