//! What machine routes answer to whom.

use std::num::NonZeroU32;

use axum::{
    Router,
    body::Body,
    extract::FromRef,
    http::{HeaderMap, Request, StatusCode, header},
    routing::get,
};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{machine_claims, person_claims, signed, with};
use crate::auth::{Machine, MachineAuth, MachineScope, testing::FakeIssuer};

struct TasksRead;

impl MachineScope for TasksRead {
    const NAME: &'static str = "tasks:read";
}

#[derive(Clone)]
struct AppState {
    machines: MachineAuth,
}

impl FromRef<AppState> for MachineAuth {
    fn from_ref(state: &AppState) -> Self {
        state.machines.clone()
    }
}

fn router(issuer: &FakeIssuer, per_second: u32) -> Router {
    let machines = MachineAuth::new(
        issuer.issuer(),
        &issuer.config(),
        issuer.sources.clone(),
        NonZeroU32::new(per_second).unwrap(),
    );
    Router::new()
        .route(
            "/",
            get(|caller: Machine<TasksRead>| async move { caller.client_id().to_owned() }),
        )
        .with_state(AppState { machines })
}

async fn ask(router: &Router, authorization: Option<&str>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::get("/");
    if let Some(value) = authorization {
        request = request.header(header::AUTHORIZATION, value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 10_000).await.unwrap().to_vec();
    (parts.status, parts.headers, body)
}

async fn ask_with(router: &Router, claims: &Value) -> (StatusCode, HeaderMap, Vec<u8>) {
    ask(router, Some(&format!("Bearer {}", signed(claims)))).await
}

#[tokio::test]
async fn a_machine_with_audience_and_scope_is_let_in() {
    let issuer = FakeIssuer::start().await;
    let router = router(&issuer, 100);
    let (status, _, body) = ask_with(&router, &machine_claims(&issuer)).await;
    assert_eq!(
        (status, body.as_slice()),
        (StatusCode::OK, b"finance-m2m".as_slice())
    );
}

#[tokio::test]
async fn without_a_token_that_counts_the_answer_is_401_with_a_challenge() {
    let issuer = FakeIssuer::start().await;
    let router = router(&issuer, 100);
    let for_other = with(machine_claims(&issuer), &json!({ "aud": "auth" }));
    let for_nobody = with(machine_claims(&issuer), &json!({ "aud": null }));
    let invalid = r#"Bearer error="invalid_token""#;
    let cases = [
        (None, "Bearer"),
        (Some("Basic dXNlcjpwYXNz".to_owned()), "Bearer"),
        (Some("Bearer".to_owned()), "Bearer"),
        (Some("Bearer abc".to_owned()), invalid),
        (Some(format!("Bearer {}", signed(&for_other))), invalid),
        (Some(format!("Bearer {}", signed(&for_nobody))), invalid),
    ];
    for (authorization, challenge) in cases {
        let (status, headers, _) = ask(&router, authorization.as_deref()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{authorization:?}");
        assert_eq!(
            headers[header::WWW_AUTHENTICATE],
            challenge,
            "{authorization:?}"
        );
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    }
}

#[tokio::test]
async fn a_person_gets_403_whatever_their_token_grants() {
    let issuer = FakeIssuer::start().await;
    let router = router(&issuer, 100);
    let of_other_service = with(person_claims(&issuer), &json!({ "aud": "account" }));
    for claims in [person_claims(&issuer), of_other_service] {
        let (status, headers, _) = ask_with(&router, &claims).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    }
}

#[tokio::test]
async fn a_machine_without_the_scope_gets_403() {
    let issuer = FakeIssuer::start().await;
    let router = router(&issuer, 100);
    for scope in ["users:read", "", "tasks:read2", "xtasks:read"] {
        let claims = with(machine_claims(&issuer), &json!({ "scope": scope }));
        assert_eq!(
            ask_with(&router, &claims).await.0,
            StatusCode::FORBIDDEN,
            "{scope}"
        );
    }
}

#[tokio::test]
async fn a_machine_over_its_limit_gets_429_and_others_are_served() {
    let issuer = FakeIssuer::start().await;
    let router = router(&issuer, 2);
    let greedy = machine_claims(&issuer);
    assert_eq!(ask_with(&router, &greedy).await.0, StatusCode::OK);
    assert_eq!(ask_with(&router, &greedy).await.0, StatusCode::OK);
    let (status, headers, _) = ask_with(&router, &greedy).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(headers[header::RETRY_AFTER], "1");

    let other = with(
        greedy,
        &json!({ "azp": "tasks-m2m", "client_id": "tasks-m2m" }),
    );
    assert_eq!(ask_with(&router, &other).await.0, StatusCode::OK);
}

#[tokio::test]
async fn while_nobody_can_tell_the_answer_is_503() {
    let issuer = FakeIssuer::start().await;
    issuer.go_down();
    let router = router(&issuer, 100);
    let (status, headers, _) = ask_with(&router, &machine_claims(&issuer)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(headers.contains_key(header::RETRY_AFTER));
}
