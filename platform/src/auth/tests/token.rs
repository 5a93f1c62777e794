//! Which tokens count: forged, foreign, late and mistaken ones do not.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::{logout_claims, machine_claims, person_claims, signed, with};
use crate::auth::{
    TokenError, Verifier,
    testing::{FakeIssuer, NOW, public_jwk, sign},
    token::Ends,
};

async fn verifier() -> (FakeIssuer, Verifier) {
    let issuer = FakeIssuer::start().await;
    let verifier = Verifier::new(issuer.issuer(), issuer.sources.clone());
    (issuer, verifier)
}

type IsReason = fn(&TokenError) -> bool;

/// A token with any header, and the signature of nobody.
fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(header), part(claims))
}

/// A token signed with the public key taken for a shared secret: the algorithm mix-up of RFC 8725.
fn signed_with_public_key(claims: &Value) -> String {
    let public = public_jwk("first")["x"].as_str().unwrap().to_owned();
    let key = BASE64_URL_SAFE_NO_PAD.decode(public).unwrap();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("first".to_owned());
    encode(&header, claims, &EncodingKey::from_secret(&key)).unwrap()
}

fn tampered(token: &str, claims: &Value) -> String {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts[1] = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    parts.join(".")
}

#[tokio::test]
async fn a_machine_token_says_who_for_whom_and_what() {
    let (issuer, verifier) = verifier().await;
    let access = verifier
        .access(&signed(&machine_claims(&issuer)))
        .await
        .unwrap();
    assert_eq!(access.machine(), Some("finance-m2m"));
    assert!(access.is_for("tasks") && access.is_for("auth") && !access.is_for("finance"));
    assert!(access.grants("users:read") && !access.grants("users"));
}

#[tokio::test]
async fn the_audience_may_be_one_string_or_missing() {
    let (issuer, verifier) = verifier().await;
    let one = with(machine_claims(&issuer), &json!({ "aud": "tasks" }));
    assert!(
        verifier
            .access(&signed(&one))
            .await
            .unwrap()
            .is_for("tasks")
    );
    let none = with(machine_claims(&issuer), &json!({ "aud": null }));
    assert!(
        !verifier
            .access(&signed(&none))
            .await
            .unwrap()
            .is_for("tasks")
    );
}

#[tokio::test]
async fn only_a_clients_own_account_is_a_machine() {
    let (issuer, verifier) = verifier().await;
    let changes = [
        json!({ "client_id": null }),
        json!({ "azp": "other" }),
        json!({ "sid": "a session" }),
    ];
    for change in changes {
        let token = signed(&with(machine_claims(&issuer), &change));
        assert_eq!(
            verifier.access(&token).await.unwrap().machine(),
            None,
            "{change}"
        );
    }
    let person = verifier
        .access(&signed(&person_claims(&issuer)))
        .await
        .unwrap();
    assert_eq!(person.machine(), None);
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let (issuer, verifier) = verifier().await;
    let claims = machine_claims(&issuer);
    let good = signed(&claims);
    let richer = with(claims.clone(), &json!({ "scope": "everything" }));
    let forged = [
        (
            "none",
            unsigned(&json!({ "alg": "none", "kid": "first" }), &claims),
        ),
        (
            "NONE",
            unsigned(&json!({ "alg": "NONE", "kid": "first" }), &claims),
        ),
        (
            "empty signature",
            unsigned(&json!({ "alg": "EdDSA", "kid": "first" }), &claims),
        ),
        ("public key as secret", signed_with_public_key(&claims)),
        (
            "foreign key under a known name",
            sign("foreign", "first", "JWT", &claims),
        ),
        ("foreign key", sign("foreign", "foreign", "JWT", &claims)),
        ("changed claims", tampered(&good, &richer)),
        (
            "cut off",
            good.trim_end_matches(|end| end != '.').to_owned(),
        ),
        ("no token", "abc".to_owned()),
        ("nothing", String::new()),
        ("too long", "a".repeat(20_000)),
    ];
    for (name, token) in forged {
        assert!(verifier.access(&token).await.is_err(), "{name}");
    }
    verifier.access(&good).await.unwrap();
}

#[tokio::test]
async fn a_key_in_the_token_is_not_believed() {
    let (issuer, verifier) = verifier().await;
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some("foreign".to_owned());
    header.jwk = Some(serde_json::from_value(public_jwk("foreign")).unwrap());
    header.jku = Some(format!("{}/keys", issuer.url()));
    let key = crate::auth::testing::signing_key("foreign");
    let token = encode(&header, &machine_claims(&issuer), &key).unwrap();
    let refusal = verifier.access(&token).await;
    assert!(
        matches!(refusal, Err(TokenError::UnknownKey)),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn mistaken_tokens_are_refused_for_their_reason() {
    let (issuer, verifier) = verifier().await;
    let other = format!("{}/", issuer.url());
    let cases: [(Value, IsReason); 9] = [
        (json!({ "iss": "http://evil.example" }), |e| {
            matches!(e, TokenError::Issuer)
        }),
        (json!({ "iss": other }), |e| matches!(e, TokenError::Issuer)),
        (json!({ "exp": NOW - 11 }), |e| {
            matches!(e, TokenError::Expired)
        }),
        (json!({ "exp": i64::MAX }), |e| {
            matches!(e, TokenError::Expired)
        }),
        (json!({ "nbf": NOW + 11 }), |e| {
            matches!(e, TokenError::NotYet)
        }),
        (json!({ "iat": NOW + 60 }), |e| {
            matches!(e, TokenError::NotYet)
        }),
        (json!({ "typ": "ID" }), |e| matches!(e, TokenError::Kind)),
        (json!({ "typ": "Refresh" }), |e| {
            matches!(e, TokenError::Kind)
        }),
        (json!({ "typ": null }), |e| matches!(e, TokenError::Kind)),
    ];
    for (change, is_reason) in cases {
        let token = signed(&with(machine_claims(&issuer), &change));
        let error = verifier.access(&token).await.unwrap_err();
        assert!(is_reason(&error), "{change}: {error:?}");
    }
}

#[tokio::test]
async fn clocks_may_be_ten_seconds_apart() {
    let (issuer, verifier) = verifier().await;
    let token = signed(&machine_claims(&issuer));
    issuer.clock.advance(TimeDelta::seconds(309));
    verifier.access(&token).await.unwrap();
    issuer.clock.advance(TimeDelta::seconds(1));
    verifier.access(&token).await.unwrap_err();
}

#[tokio::test]
async fn tokens_of_another_kind_are_no_access_tokens() {
    let (issuer, verifier) = verifier().await;
    let id = with(
        person_claims(&issuer),
        &json!({ "typ": "ID", "nonce": "n" }),
    );
    let logout = with(logout_claims(&issuer), &json!({ "typ": "Bearer" }));
    let machine = machine_claims(&issuer);
    let others = [
        signed(&id),
        signed(&with(id, &json!({ "typ": "Bearer" }))),
        signed(&logout_claims(&issuer)),
        signed(&logout),
        sign("first", "first", "logout+jwt", &machine),
    ];
    for token in others {
        let refusal = verifier.access(&token).await;
        assert!(matches!(refusal, Err(TokenError::Kind)), "{refusal:?}");
    }
}

#[tokio::test]
async fn a_logout_token_ends_a_session_or_all_of_a_person() {
    let (issuer, verifier) = verifier().await;
    let claims = logout_claims(&issuer);
    let token = sign("first", "first", "logout+jwt", &claims);
    let logout = verifier.logout(&token, "tasks-web").await.unwrap();
    assert_eq!(logout.id, "one");
    assert_eq!(
        logout.ends,
        Ends::Session("8d7f1b1c-0000-4000-8000-000000000001".to_owned())
    );

    let without_session = signed(&with(claims, &json!({ "sid": null })));
    let logout = verifier
        .logout(&without_session, "tasks-web")
        .await
        .unwrap();
    assert_eq!(
        logout.ends,
        Ends::Person("00000000-0000-4000-8000-000000000001".parse().unwrap())
    );
}

#[tokio::test]
async fn mistaken_logout_tokens_are_refused() {
    let (issuer, verifier) = verifier().await;
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let changes = [
        json!({ "aud": "finance-web" }),
        json!({ "nonce": "n" }),
        json!({ "events": null }),
        json!({ "events": { "http://schemas.openid.net/event/other": {} } }),
        json!({ "events": { event: "yes" } }),
        json!({ "sid": null, "sub": null }),
        json!({ "jti": null }),
        json!({ "iat": null }),
        json!({ "exp": NOW - 11 }),
        json!({ "iss": "http://evil.example" }),
    ];
    for change in changes {
        let token = signed(&with(logout_claims(&issuer), &change));
        assert!(
            verifier.logout(&token, "tasks-web").await.is_err(),
            "{change}"
        );
    }
    let access = signed(&with(
        machine_claims(&issuer),
        &json!({ "aud": "tasks-web" }),
    ));
    verifier.logout(&access, "tasks-web").await.unwrap_err();
    let foreign = sign("foreign", "first", "logout+jwt", &logout_claims(&issuer));
    verifier.logout(&foreign, "tasks-web").await.unwrap_err();
}
