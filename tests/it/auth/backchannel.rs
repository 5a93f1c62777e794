//! Back-channel logout over HTTP: which tokens of the issuer end which sessions, and that no other ends any.

use anyhow::Result;
use chrono::TimeDelta;
use platform::{auth::expiry, sources::Clock as _};
use reqwest::{Method, StatusCode, header::CACHE_CONTROL};
use serde_json::{Value, json};
use uuid::Uuid;

use super::played::Played;
use crate::support::{
    browser::Browser,
    builders::id,
    issuer::{FOREIGN, NEXT, OWN, signed_with_secret, unsigned, with},
};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims of a logout token that ends the session `sid` of `person`.
fn logout(played: &Played, person: Uuid, sid: &str) -> Value {
    let now = played.site.clock.now().timestamp();
    json!({
        "iss": played.name,
        "aud": played.site.client_id,
        "sub": person,
        "sid": sid,
        "jti": id(),
        "typ": "Logout",
        "iat": now,
        "exp": now + 120,
        "events": {EVENT: {}},
    })
}

/// The answer to a logout token, which no cache may keep.
async fn tell(played: &Played, token: &str) -> Result<StatusCode> {
    let url = played.url("/tasks/backchannel-logout");
    let form = [("logout_token", token)];
    let answer = Browser::new()?.send(Method::POST, &url, &[], &form).await?;
    assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
    Ok(answer.status())
}

#[tokio::test]
async fn a_token_with_a_session_ends_that_session_only() -> Result<()> {
    let played = Played::open().await?;
    let person = id();
    let laptop = played.log_in(person, "laptop").await?;
    let phone = played.log_in(person, "phone").await?;
    let token = OWN.sign(&logout(&played, person, "laptop"))?;
    assert_eq!(tell(&played, &token).await?, StatusCode::OK);
    assert!(!played.lets_in(&laptop).await?);
    assert!(played.lets_in(&phone).await?);
    played.close().await
}

#[tokio::test]
async fn a_token_with_a_person_ends_all_of_their_sessions_and_nobody_elses() -> Result<()> {
    let played = Played::open().await?;
    let person = id();
    let laptop = played.log_in(person, "laptop").await?;
    let phone = played.log_in(person, "phone").await?;
    let other = played.log_in(id(), "other").await?;
    let claims = with(&logout(&played, person, ""), &json!({"sid": null}));
    assert_eq!(tell(&played, &OWN.sign(&claims)?).await?, StatusCode::OK);
    assert!(!played.lets_in(&laptop).await?);
    assert!(!played.lets_in(&phone).await?);
    assert!(played.lets_in(&other).await?);
    played.close().await
}

#[tokio::test]
async fn a_token_counts_once_and_one_that_ends_nothing_is_no_error() -> Result<()> {
    let played = Played::open().await?;
    let person = id();
    let token = OWN.sign(&logout(&played, person, "laptop"))?;
    assert_eq!(tell(&played, &token).await?, StatusCode::OK);
    let laptop = played.log_in(person, "laptop").await?;
    assert_eq!(tell(&played, &token).await?, StatusCode::BAD_REQUEST);
    // Its time is over, but clocks may be some seconds apart: it must not have been forgotten.
    played.site.clock.advance(TimeDelta::seconds(125));
    expiry::remove_expired(&played.site.db, played.site.clock.now()).await?;
    assert_eq!(tell(&played, &token).await?, StatusCode::BAD_REQUEST);
    assert!(played.lets_in(&laptop).await?);
    played.close().await
}

/// What the issuer may have signed and yet ends nothing.
fn wrong_claims() -> [(&'static str, Value); 14] {
    [
        ("another audience", json!({"aud": "finance-web"})),
        ("no audience", json!({"aud": null})),
        ("another issuer", json!({"iss": "http://evil.example"})),
        ("expired", json!({"exp": 1_700_000_000})),
        ("of the future", json!({"iat": 4_000_000_000_i64})),
        ("no time", json!({"iat": null})),
        ("no events", json!({"events": null})),
        (
            "another event",
            json!({"events": {"http://evil.example": {}}}),
        ),
        ("an event of no object", json!({"events": {EVENT: true}})),
        ("a list of events", json!({"events": [EVENT]})),
        ("a nonce", json!({"nonce": "n"})),
        ("an empty nonce", json!({"nonce": ""})),
        ("no id", json!({"jti": null})),
        (
            "neither session nor person",
            json!({"sid": null, "sub": null}),
        ),
    ]
}

#[tokio::test]
async fn a_wrong_token_ends_nothing() -> Result<()> {
    let played = Played::open().await?;
    let person = id();
    let laptop = played.log_in(person, "laptop").await?;
    let right = logout(&played, person, "laptop");
    let mut as_own = FOREIGN.header();
    as_own.kid = Some(OWN.kid.to_owned());
    let mut as_access = OWN.header();
    as_access.typ = Some("at+jwt".to_owned());
    let id_claims = played.id_claims("n", person, "laptop");
    let mut wrong = vec![
        ("nothing", String::new()),
        (
            "no algorithm",
            unsigned(&json!({"alg": "none", "kid": OWN.kid}), &right),
        ),
        (
            "no signature",
            unsigned(&json!({"alg": "EdDSA", "kid": OWN.kid}), &right),
        ),
        ("a foreign key", FOREIGN.sign(&right)?),
        (
            "a foreign key of the own name",
            FOREIGN.sign_under(&as_own, &right)?,
        ),
        (
            "the client's secret",
            signed_with_secret(OWN.kid, b"secret", &right)?,
        ),
        ("an ID token", OWN.sign(&id_claims)?),
        (
            "the kind of an access token",
            OWN.sign_under(&as_access, &right)?,
        ),
    ];
    for (what, changes) in wrong_claims() {
        wrong.push((what, OWN.sign(&with(&right, &changes))?));
    }
    for (what, token) in wrong {
        assert_eq!(
            tell(&played, &token).await?,
            StatusCode::BAD_REQUEST,
            "{what}"
        );
        assert!(played.lets_in(&laptop).await?, "{what}");
    }
    let spent = played
        .site
        .database
        .count("spent_logout_token", "true")
        .await?;
    assert_eq!(spent, 0, "a refused token is not remembered");
    assert_eq!(
        tell(&played, &OWN.sign(&right)?).await?,
        StatusCode::OK,
        "the right one counts"
    );
    played.close().await
}

#[tokio::test]
async fn without_the_issuer_its_known_keys_end_sessions() -> Result<()> {
    let played = Played::open().await?;
    let person = id();
    let laptop = played.log_in(person, "laptop").await?;
    played.end_issuer().await;
    let unknown = NEXT.sign(&logout(&played, person, "laptop"))?;
    assert_eq!(tell(&played, &unknown).await?, StatusCode::BAD_REQUEST);
    let token = OWN.sign(&logout(&played, person, "laptop"))?;
    assert_eq!(tell(&played, &token).await?, StatusCode::OK);
    assert!(!played.lets_in(&laptop).await?);
    played.close().await
}
