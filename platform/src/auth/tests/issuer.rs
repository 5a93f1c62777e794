//! Keys of the issuer: fetched when needed, kept when it is away, and not once per token.

use std::time::Duration;

use super::{machine_claims, signed};
use crate::auth::{
    TokenError, Verifier,
    testing::{FakeIssuer, sign},
};

async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn verifier(issuer: &FakeIssuer) -> Verifier {
    Verifier::new(issuer.issuer(), issuer.sources.clone())
}

#[tokio::test]
async fn many_tokens_cause_one_fetch() {
    let issuer = FakeIssuer::start().await;
    let verifier = verifier(&issuer);
    let token = signed(&machine_claims(&issuer));
    let all = futures::future::join_all((0..20).map(|_| verifier.access(&token))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(issuer.key_requests(), 1);
}

#[tokio::test]
async fn keys_outlive_the_issuer() {
    let issuer = FakeIssuer::start().await;
    let verifier = verifier(&issuer);
    let token = signed(&machine_claims(&issuer));
    verifier.access(&token).await.unwrap();
    issuer.go_down();
    pass(Duration::from_hours(24)).await;
    verifier.access(&token).await.unwrap();
    let unknown = sign("second", "second", "JWT", &machine_claims(&issuer));
    let refusal = verifier.access(&unknown).await;
    assert!(
        matches!(refusal, Err(TokenError::UnknownKey)),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn a_process_starts_without_the_issuer_and_recovers() {
    let issuer = FakeIssuer::start().await;
    issuer.go_down();
    let verifier = verifier(&issuer);
    let token = signed(&machine_claims(&issuer));
    let refusal = verifier.access(&token).await;
    assert!(
        matches!(refusal, Err(TokenError::Unavailable(_))),
        "{refusal:?}"
    );

    issuer.come_back();
    pass(Duration::from_secs(1)).await;
    verifier.access(&token).await.unwrap();
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let issuer = FakeIssuer::start().await;
    let verifier = verifier(&issuer);
    let claims = machine_claims(&issuer);
    verifier.access(&signed(&claims)).await.unwrap();
    issuer.publish_keys(&["first", "second"]);
    pass(Duration::from_secs(10)).await;
    let token = sign("second", "second", "JWT", &claims);
    verifier.access(&token).await.unwrap();
    assert_eq!(issuer.key_requests(), 2);
}

#[tokio::test]
async fn made_up_key_names_do_not_become_requests() {
    let issuer = FakeIssuer::start().await;
    let verifier = verifier(&issuer);
    let claims = machine_claims(&issuer);
    for number in 0..20 {
        let token = sign("foreign", &format!("made-up-{number}"), "JWT", &claims);
        verifier.access(&token).await.unwrap_err();
    }
    assert_eq!(issuer.key_requests(), 1);
}

#[tokio::test]
async fn a_withdrawn_key_stops_counting_with_the_next_fetch() {
    let issuer = FakeIssuer::start().await;
    let verifier = verifier(&issuer);
    let claims = machine_claims(&issuer);
    verifier.access(&signed(&claims)).await.unwrap();
    issuer.publish_keys(&["second"]);
    pass(Duration::from_secs(10)).await;
    verifier
        .access(&sign("second", "second", "JWT", &claims))
        .await
        .unwrap();
    verifier.access(&signed(&claims)).await.unwrap_err();
}
