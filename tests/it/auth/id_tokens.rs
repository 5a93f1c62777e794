//! Logins that end with an ID token that does not count: nobody comes in by it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use jsonwebtoken::Header;
use reqwest::{StatusCode, header::SET_COOKIE};
use serde_json::{Value, json};

use super::played::{Begun, Played};
use crate::support::{
    browser::{Browser, location},
    builders::id,
    issuer::{FOREIGN, NEXT, OWN, signed_with_secret, unsigned, with},
};

/// Longer than the pause after which an unknown key is asked for again.
const KEYS_REST: Duration = Duration::from_secs(11);

/// Such a login is over.
const OVER: (StatusCode, &str) = (StatusCode::BAD_REQUEST, "That sign-in is over");
/// Another one may be better.
const LATER: (StatusCode, &str) = (
    StatusCode::SERVICE_UNAVAILABLE,
    "Sign-in is not available now",
);

/// The machine's clock, which paces requests to the issuer, moves on.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// What the issuer would have to say of a visitor, were it not for one change.
fn wrong_claims(played: &Played) -> [(&'static str, Value); 12] {
    let client = &played.site.client_id;
    [
        ("another nonce", json!({"nonce": "A".repeat(43)})),
        ("no nonce", json!({"nonce": null})),
        ("another audience", json!({"aud": "finance-web"})),
        ("no audience", json!({"aud": []})),
        (
            "a further audience",
            json!({"aud": [client, "finance-web"]}),
        ),
        ("another party", json!({"azp": "finance-web"})),
        ("another issuer", json!({"iss": "http://evil.example"})),
        (
            "nearly this issuer",
            json!({"iss": format!("{}/", played.name)}),
        ),
        ("expired", json!({"exp": 1_700_000_000})),
        ("a name for a person", json!({"sub": "ann"})),
        ("no session", json!({"sid": null})),
        ("of another access token", json!({"at_hash": "AAAA"})),
    ]
}

/// What no ID token lacks; an issuer that forgets it is out of order.
const NECESSARY: [&str; 4] = ["iss", "sub", "exp", "iat"];

/// A header of the foreign key under another name.
fn foreign_as(kid: Option<&str>) -> Header {
    let mut header = FOREIGN.header();
    header.kid = kid.map(str::to_owned);
    header
}

/// Makes a token of the right claims.
type Forge = fn(&Value) -> Result<String>;

/// Signatures that are none of the issuer's.
const FORGERIES: [(&str, Forge); 10] = [
    ("no algorithm", |claims| {
        Ok(unsigned(&json!({"alg": "none", "kid": OWN.kid}), claims))
    }),
    ("neither algorithm nor key", |claims| {
        Ok(unsigned(&json!({"alg": "none"}), claims))
    }),
    ("no signature", |claims| {
        Ok(unsigned(&json!({"alg": "EdDSA", "kid": OWN.kid}), claims))
    }),
    ("a foreign key", |claims| FOREIGN.sign(claims)),
    ("a foreign key of the own name", |claims| {
        FOREIGN.sign_under(&foreign_as(Some(OWN.kid)), claims)
    }),
    ("a foreign key without a name", |claims| {
        FOREIGN.sign_under(&foreign_as(None), claims)
    }),
    ("a key inside", |claims| {
        let mut header = FOREIGN.header();
        header.jwk = Some(FOREIGN.jwk()?);
        FOREIGN.sign_under(&header, claims)
    }),
    ("the client's secret", |claims| {
        signed_with_secret(OWN.kid, b"secret", claims)
    }),
    ("the public key", |claims| {
        let public = serde_json::to_vec(&OWN.jwk()?)?;
        signed_with_secret(OWN.kid, &public, claims)
    }),
    ("other claims under a real signature", |claims| {
        let signed = OWN.sign(claims)?;
        let (_, signature) = signed.rsplit_once('.').context("a token has parts")?;
        let richer = with(
            claims,
            &json!({"realm_access": {"roles": ["administrator"]}}),
        );
        Ok(format!(
            "{}{signature}",
            unsigned(&json!({"alg": "EdDSA", "kid": OWN.kid}), &richer)
        ))
    }),
];

/// One login whose ID token `forge` makes of the right claims; demands that nobody comes in by it.
async fn must_fail(
    played: &Played,
    what: &str,
    forge: impl FnOnce(&Value) -> Result<String>,
    told: (StatusCode, &str),
) -> Result<()> {
    let browser = Browser::new()?;
    let before = played.site.sessions().await?;
    let Begun { state, nonce } = played.begin(&browser).await?;
    played.give(&forge(&played.id_claims(&nonce, id(), "session"))?);
    let answer = played.come_back(&browser, &state).await?;
    assert_eq!(answer.status(), told.0, "{what}");
    assert!(!answer.headers().contains_key(SET_COOKIE), "{what}");
    assert!(answer.text().await?.contains(told.1), "{what}");
    assert_eq!(played.site.sessions().await?, before, "{what}");
    Ok(())
}

#[tokio::test]
async fn an_id_token_with_one_wrong_claim_lets_nobody_in() -> Result<()> {
    let played = Played::open().await?;
    for (what, changes) in wrong_claims(&played) {
        must_fail(
            &played,
            what,
            |claims| OWN.sign(&with(claims, &changes)),
            OVER,
        )
        .await?;
    }
    played.log_in(id(), "session").await?;
    assert_eq!(played.site.sessions().await?, 1, "the right one counts");
    played.close().await
}

#[tokio::test]
async fn an_id_token_that_lacks_what_every_one_has_lets_nobody_in() -> Result<()> {
    let played = Played::open().await?;
    for claim in NECESSARY {
        let less = |claims: &Value| OWN.sign(&with(claims, &json!({claim: null})));
        must_fail(&played, claim, less, LATER).await?;
    }
    must_fail(&played, "no token", |_claims| Ok("abc".to_owned()), LATER).await?;
    played.close().await
}

#[tokio::test]
async fn an_id_token_that_the_issuer_did_not_sign_lets_nobody_in() -> Result<()> {
    let played = Played::open().await?;
    for (what, forge) in FORGERIES {
        must_fail(&played, what, forge, OVER).await?;
    }
    played.close().await
}

#[tokio::test]
async fn an_answer_without_an_id_token_or_with_the_access_token_in_its_place_lets_nobody_in()
-> Result<()> {
    let played = Played::open().await?;
    let access = json!({"typ": "Bearer", "nonce": null, "client_id": "tasks-web"});
    let access = |claims: &Value| OWN.sign(&with(claims, &access));
    must_fail(&played, "an access token", access, OVER).await?;
    let browser = Browser::new()?;
    let Begun { state, .. } = played.begin(&browser).await?;
    let tokens = json!({"access_token": "it", "token_type": "Bearer", "expires_in": 300});
    played.issuer.answer(StatusCode::OK, tokens);
    let answer = played.come_back(&browser, &state).await?;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(played.site.sessions().await?, 0);
    played.close().await
}

#[tokio::test]
async fn a_stolen_answer_or_nonce_is_worth_nothing_in_another_browser() -> Result<()> {
    let played = Played::open().await?;
    let (victim, thief) = (Browser::new()?, Browser::new()?);
    let stolen = played.begin(&victim).await?;
    let own = played.begin(&thief).await?;
    let token = OWN.sign(&played.id_claims(&stolen.nonce, id(), "session"))?;
    played.give(&token);
    let state = played.come_back(&thief, &stolen.state).await?;
    assert_eq!(state.status(), StatusCode::BAD_REQUEST, "the state");
    let nonce = played.come_back(&thief, &own.state).await?;
    assert_eq!(nonce.status(), StatusCode::BAD_REQUEST, "the nonce");
    assert_eq!(played.site.sessions().await?, 0);
    let back = played.come_back(&victim, &stolen.state).await?;
    assert_eq!(back.status(), StatusCode::SEE_OTHER, "the victim comes in");
    played.close().await
}

#[tokio::test]
async fn a_login_by_a_key_that_the_issuer_changed_to_counts() -> Result<()> {
    let played = Played::open().await?;
    played.log_in(id(), "first").await?;
    played.issuer.publish(&[NEXT])?;
    pass(KEYS_REST).await;
    let browser = Browser::new()?;
    let Begun { state, nonce } = played.begin(&browser).await?;
    played.give(&NEXT.sign(&played.id_claims(&nonce, id(), "second"))?);
    let back = played.come_back(&browser, &state).await?;
    assert_eq!(back.status(), StatusCode::SEE_OTHER);
    must_fail(&played, "the key before", |claims| OWN.sign(claims), OVER).await?;
    played.close().await
}

#[tokio::test]
async fn an_issuer_that_goes_away_before_the_code_is_exchanged_is_waited_for() -> Result<()> {
    let played = Played::open().await?;
    for (what, status, tokens) in [
        ("away", StatusCode::SERVICE_UNAVAILABLE, json!(null)),
        ("out of order", StatusCode::OK, json!("no tokens")),
    ] {
        let browser = Browser::new()?;
        let Begun { state, .. } = played.begin(&browser).await?;
        played.issuer.answer(status, tokens);
        let back = played.come_back(&browser, &state).await?;
        let page = browser.follow_from(back).await?;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{what}");
        let again = page.next_try()?;
        assert_eq!(
            again.as_str(),
            played.url("/tasks/login?return_to=%2Ftasks%2Fwho"),
            "{what}"
        );
        let begun = location(&browser.get(again.as_str()).await?)?;
        let begun = begun.with_context(|| format!("{what}: a login begins"))?;
        assert!(begun.as_str().starts_with(&played.name), "{what}: {begun}");
    }
    played.close().await
}

#[tokio::test]
async fn a_code_that_the_issuer_does_not_take_ends_the_login() -> Result<()> {
    let played = Played::open().await?;
    let browser = Browser::new()?;
    let Begun { state, .. } = played.begin(&browser).await?;
    let refusal = json!({"error": "invalid_grant"});
    played.issuer.answer(StatusCode::BAD_REQUEST, refusal);
    let answer = played.come_back(&browser, &state).await?;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(answer.text().await?.contains("That sign-in is over"));
    played.close().await
}
