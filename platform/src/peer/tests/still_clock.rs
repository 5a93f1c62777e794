//! The client's pauses to the millisecond, on a clock that stands still while bytes are on their way.

use std::{future::Future, pin::pin, time::Duration};

use futures::future::join_all;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};

use super::scripted::{Peer, Step, ok};
use crate::peer::{PeerClient, PeerConfig, PeerError};

type Outcome = Result<Value, PeerError>;
type Range = std::ops::RangeInclusive<u64>;

/// What the pauses between attempts are drawn from, in milliseconds.
const FIRST: Range = 25..=51;
const SECOND: Range = 50..=101;

/// How long real time may go on while none passes on the still clock: enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time passes a millisecond at a time, and only when the client has no request under way: then it
/// waits for nothing but time. What is measured is therefore exact, however busy the machine is.
async fn pass_time<T>(peer: &Peer, client: &PeerClient, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            () = tokio::task::yield_now() => {}
        }
        if client.in_flight() == 0 || peer.dawdles() {
            tokio::time::advance(Duration::from_millis(1)).await;
        }
    }
}

async fn ask(peer: &Peer, client: &PeerClient) -> (Outcome, u128) {
    let began = Instant::now();
    let outcome = pass_time(peer, client, client.get_json("/users/1")).await;
    (outcome, began.elapsed().as_millis())
}

fn assert_within(pauses: &[Duration], expected: &[Range], case: &str) {
    let millis: Vec<u64> = pauses
        .iter()
        .map(|pause| u64::try_from(pause.as_millis()).unwrap())
        .collect();
    let fits = millis.len() == expected.len()
        && millis
            .iter()
            .zip(expected)
            .all(|(pause, range)| range.contains(pause));
    assert!(fits, "{case}: {millis:?} instead of {expected:?}");
}

#[tokio::test]
async fn each_failure_is_repeated_after_its_pauses_and_no_other() {
    let seconds = |number: u64| number * 1_000..=number * 1_000 + 1;
    let cases: [(Step, &[Range]); 24] = [
        (Step::Status(302), &[]),
        (Step::Status(400), &[]),
        (Step::Status(403), &[]),
        (Step::Status(404), &[]),
        (Step::Status(408), &[]),
        (Step::Status(409), &[]),
        (Step::Status(410), &[]),
        (Step::Status(413), &[]),
        (Step::Status(422), &[]),
        (Step::Status(425), &[]),
        (Step::Status(429), &[]),
        (Step::Status(499), &[]),
        (Step::RetryAfter(429, "1"), &[]),
        (Step::Status(500), &[FIRST]),
        (Step::Status(501), &[]),
        (Step::Status(502), &[FIRST, SECOND]),
        (Step::Status(503), &[FIRST, SECOND]),
        (Step::RetryAfter(503, "1"), &[seconds(1)]),
        (Step::RetryAfter(503, "30"), &[]),
        (Step::RetryAfter(503, "soon"), &[FIRST, SECOND]),
        (Step::Status(504), &[FIRST, SECOND]),
        (Step::Reset, &[FIRST, SECOND]),
        (Step::Garbage, &[]),
        (Step::Page, &[]),
    ];
    for (step, expected) in cases {
        let peer = Peer::answering([step.clone()]).await;
        let client = peer.client_on_a_still_clock(&peer.config()).await;
        let (outcome, took) = ask(&peer, &client).await;
        outcome.unwrap_err();
        let pauses = peer.pauses();
        assert_within(&pauses, expected, &format!("{step:?}"));
        let paused: Duration = pauses.into_iter().sum();
        assert_eq!(took, paused.as_millis(), "{step:?} costs nothing else");
        tokio::time::resume();
    }
}

/// Work that must not need any time: nobody lets it pass, so that whoever waits for it waits in vain.
async fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let began = std::time::Instant::now();
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            () = tokio::task::yield_now() => {}
        }
        assert!(began.elapsed() < PATIENCE, "it waits for time to pass");
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_and_replayed_once_and_without_a_pause() {
    for (second, succeeds) in [(ok(), true), (Step::Status(401), false)] {
        let peer = Peer::answering([Step::Status(401), second.clone()]).await;
        let client = peer.client_on_a_still_clock(&peer.config()).await;
        let outcome: Outcome = at_once(client.get_json("/users/1")).await;
        assert_eq!(outcome.is_ok(), succeeds, "{second:?}: {outcome:?}");
        assert_eq!(peer.pauses(), [Duration::ZERO], "{second:?}");
        assert_eq!(peer.issuer.token_requests(), 2, "{second:?}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_pause_that_the_peer_asks_for_holds_back_every_call() {
    let cases = [
        (Step::Status(429), 1),
        (Step::RetryAfter(429, "3"), 3),
        (Step::RetryAfter(429, "soon"), 1),
        (Step::RetryAfter(429, "Fri, 15 Jan 2027 08:00:07 GMT"), 7),
    ];
    for (step, seconds) in cases {
        let peer = Peer::answering([step.clone(), ok()]).await;
        let client = peer.client_on_a_still_clock(&peer.config()).await;
        let (first, took) = ask(&peer, &client).await;
        let pause = first.unwrap_err().retry_after();
        assert_eq!(pause, Some(Duration::from_secs(seconds)), "{step:?}");
        assert_eq!(took, 0, "{step:?}");

        // The next call waits for what is left of the pause when that fits into its deadline.
        tokio::time::advance(Duration::from_secs(seconds - 1)).await;
        ask(&peer, &client).await.0.unwrap();
        let expected = seconds * 1_000..=seconds * 1_000 + 1;
        assert_within(&peer.pauses(), &[expected], &format!("{step:?}"));
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_call_does_not_wait_for_a_pause_beyond_its_deadline_and_no_pause_is_absurd() {
    let peer = Peer::answering([Step::RetryAfter(429, "31536000")]).await;
    let client = peer.client_on_a_still_clock(&peer.config()).await;
    for held_back in 0..2 {
        let (outcome, took) = ask(&peer, &client).await;
        let pause = outcome.unwrap_err().retry_after();
        assert_eq!((pause, took), (Some(Duration::from_mins(5)), 0));
        assert_eq!(
            client.report().held_back,
            held_back,
            "calls without a request"
        );
    }
    assert_eq!(peer.requests(), 1);
}

#[tokio::test]
async fn a_slow_peer_costs_one_request_and_exactly_the_deadline() {
    for step in [Step::SlowHeader, Step::SlowBody] {
        let peer = Peer::answering([step.clone()]).await;
        let client = peer.client_on_a_still_clock(&peer.config()).await;
        let (outcome, took) = ask(&peer, &client).await;
        assert!(matches!(outcome, Err(PeerError::Deadline)), "{step:?}");
        assert!((2_000..=2_001).contains(&took), "{step:?}: {took}");
        assert_eq!(peer.requests(), 1, "{step:?}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn calls_that_find_no_slot_in_time_say_so() {
    let peer = Peer::answering([Step::SlowHeader]).await;
    let client = peer.client_on_a_still_clock(&peer.config()).await;
    let calls = join_all((0..4).map(|_| client.get_json::<Value>("/users/1")));
    let outcomes = pass_time(&peer, &client, calls).await;
    let busy = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Err(PeerError::Busy)))
        .count();
    assert_eq!((busy, peer.requests()), (2, 2));
}

#[tokio::test]
async fn nobody_listening_is_tried_three_times() {
    let peer = Peer::answering([ok()]).await;
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let config = PeerConfig {
        url: url.parse().unwrap(),
        ..peer.config()
    };
    let client = peer.client_on_a_still_clock(&config).await;
    let (outcome, took) = ask(&peer, &client).await;
    assert!(
        matches!(outcome, Err(PeerError::Unreachable(_))),
        "{outcome:?}"
    );
    assert!((75..=152).contains(&took), "two pauses: {took}");
}

/// Waits as long as a call that is held back is told to.
async fn rest(client: &PeerClient) {
    let held_back = client.get_json::<Value>("/users/1").await.unwrap_err();
    sleep(held_back.retry_after().unwrap()).await;
}

#[tokio::test]
async fn the_breaker_opens_asks_once_opens_again_and_closes() {
    let failing = std::iter::repeat_n(Step::Status(502), 6);
    let peer = Peer::answering(failing.chain([ok()])).await;
    let client = peer.client_on_a_still_clock(&peer.config()).await;
    for _ in 0..10 {
        ask(&peer, &client).await.0.unwrap_err();
    }
    assert_eq!(peer.requests(), 5, "five failures in a row open it");
    let (held_back, _) = ask(&peer, &client).await;
    assert!(matches!(held_back, Err(PeerError::Open { .. })));

    let all_at_once = || {
        let calls = join_all((0..10).map(|_| client.get_json::<Value>("/users/1")));
        pass_time(&peer, &client, calls)
    };
    pass_time(&peer, &client, rest(&client)).await;
    let outcomes = all_at_once().await;
    assert!(outcomes.iter().all(Result::is_err));
    assert_eq!(peer.requests(), 6, "one probe, which failed");
    assert_within(&peer.pauses()[4..], &[5_000..=10_001], "the first rest");

    pass_time(&peer, &client, rest(&client)).await;
    let outcomes = all_at_once().await;
    assert_eq!(
        peer.requests(),
        7,
        "one probe, which decided while the others were held back"
    );
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_within(&peer.pauses()[5..], &[10_000..=20_001], "the second rest");

    let outcomes = all_at_once().await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(peer.requests(), 17);
}

#[tokio::test]
async fn no_more_calls_a_second_than_allowed() {
    let peer = Peer::answering([ok()]).await;
    let config = PeerConfig {
        per_second: 10.try_into().unwrap(),
        ..peer.config()
    };
    let client = peer.client_on_a_still_clock(&config).await;
    let began = Instant::now();
    let calls = join_all((0..15).map(|_| client.get_json::<Value>("/users/1")));
    let outcomes = pass_time(&peer, &client, calls).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let took = began.elapsed().as_millis();
    assert!(
        (500..=505).contains(&took),
        "ten at once, then one each 100 ms: {took}"
    );
}
