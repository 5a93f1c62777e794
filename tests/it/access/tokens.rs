//! Forged, foreign, late and mistaken tokens against every route for machines.
//!
//! Whatever the realm makes is really made by it; only what it would never make is forged here.

use anyhow::{Context as _, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use jsonwebtoken::Header;
use reqwest::{
    Response,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::machines::{Machines, Route};
use crate::support::{
    builders::now,
    environment::environment,
    http,
    issuer::{self, FOREIGN, encoded, signed_with_secret, with},
    keycloak::{self, Keycloak, claims, machine_token},
    person,
};

const NO_TOKEN: &str = "Bearer";
const INVALID: &str = r#"Bearer error="invalid_token""#;
const TWO: &str = r#"Bearer error="invalid_request""#;

/// A machine's token taken apart.
struct Parts {
    header: Value,
    claims: Value,
    token: String,
}

impl Parts {
    fn of(token: &str) -> Result<Self> {
        let header = token.split('.').next().context("a token has a header")?;
        Ok(Self {
            header: serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header)?)?,
            claims: claims(token)?,
            token: token.to_owned(),
        })
    }

    fn part(&self, number: usize) -> &str {
        self.token.split('.').nth(number).unwrap_or_default()
    }

    /// The same claims and signature under a header with `changes`.
    fn under(&self, changes: &Value) -> String {
        let header = encoded(&with(&self.header, changes));
        format!("{header}.{}.{}", self.part(1), self.part(2))
    }

    fn unsigned(&self, algorithm: &str) -> String {
        let header = with(&self.header, &json!({"alg": algorithm}));
        issuer::unsigned(&header, &self.claims)
    }

    fn kid(&self) -> Result<&str> {
        self.header["kid"].as_str().context("a token names its key")
    }
}

/// What is wrong with a token, and the token.
type Forged = (&'static str, String);

/// The realm's own token in another shape.
fn reshaped(good: &Parts) -> Vec<Forged> {
    let (header, payload, signature) = (good.part(0), good.part(1), good.part(2));
    let richer = json!({"scope": "tasks:read users:read", "aud": ["auth", "tasks"]});
    let richer = encoded(&with(&good.claims, &richer));
    let short: String = good.token.chars().rev().skip(10).collect();
    let mut found = vec![
        ("no signature", format!("{header}.{payload}.")),
        ("no third part", format!("{header}.{payload}")),
        ("four parts", format!("{}.{signature}", good.token)),
        ("cut off", short.chars().rev().collect()),
        ("changed claims", format!("{header}.{richer}.{signature}")),
        ("oversized", format!("{}{}", good.token, "A".repeat(20_000))),
        ("no kid", good.under(&json!({"kid": null}))),
        ("another algorithm", good.under(&json!({"alg": "RS512"}))),
    ];
    let kids = [
        "../../../../dev/null",
        "' OR 1=1 --",
        "\u{0}",
        &"k".repeat(5_000),
    ];
    found.extend(kids.map(|kid| ("injected kid", good.under(&json!({"kid": kid})))));
    let algorithms = ["none", "None", "NONE", "nOnE", ""];
    found.extend(algorithms.map(|algorithm| ("no algorithm", good.unsigned(algorithm))));
    found
}

/// The same claims signed by somebody else, who would like to be asked for the key at `attacker`.
fn signed_by_others(good: &Parts, attacker: &str) -> Result<Vec<Forged>> {
    let forge = |describe: &dyn Fn(&mut Header)| {
        let mut header = FOREIGN.header();
        describe(&mut header);
        FOREIGN.sign_under(&header, &good.claims)
    };
    let (kid, jwk) = (good.kid()?.to_owned(), FOREIGN.jwk()?);
    let link = || Some(attacker.to_owned());
    Ok(vec![
        ("foreign key", forge(&|_header| {})?),
        (
            "foreign key of the realm's name",
            forge(&|header| header.kid = Some(kid.clone()))?,
        ),
        ("jku", forge(&|header| header.jku = link())?),
        ("x5u", forge(&|header| header.x5u = link())?),
        (
            "key inside",
            forge(&|header| header.jwk = Some(jwk.clone()))?,
        ),
    ])
}

/// The same claims signed with the realm's public key, which everybody has.
async fn signed_with_public_key(good: &Parts) -> Result<Vec<Forged>> {
    let realm = http::client()?.get(keycloak::issuer()).send().await?;
    let realm: Value = realm.json().await?;
    let public = realm["public_key"]
        .as_str()
        .context("the realm has a key")?;
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{public}\n-----END PUBLIC KEY-----\n");
    let bytes = BASE64_STANDARD.decode(public)?;
    Ok(vec![
        (
            "public key as text",
            signed_with_secret(good.kid()?, pem.as_bytes(), &good.claims)?,
        ),
        (
            "public key as bytes",
            signed_with_secret(good.kid()?, &bytes, &good.claims)?,
        ),
    ])
}

async fn must_refuse(
    route: &Route,
    what: &str,
    answer: Response,
    (status, challenge): (u16, &str),
) -> Result<()> {
    let name = format!("{what} at {}", route.name());
    assert_eq!(answer.status(), status, "{name}");
    let headers = answer.headers();
    let said = headers
        .get(WWW_AUTHENTICATE)
        .with_context(|| format!("{name}: no challenge"))?;
    assert_eq!(said, challenge, "{name}");
    assert_eq!(headers[CONTENT_TYPE], "application/problem+json", "{name}");
    let body: Value = answer.json().await?;
    assert_eq!(body["status"], status, "{name}");
    Ok(())
}

#[tokio::test]
async fn forged_tokens_open_nothing_and_nobody_follows_their_links() -> Result<()> {
    let machines = Machines::start().await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let attacker = format!("http://{}/keys", listener.local_addr()?);
    for route in machines.guarded()? {
        let good = Parts::of(&machines.token_for(&route).await?)?;
        let mut forged = reshaped(&good);
        forged.extend(signed_by_others(&good, &attacker)?);
        forged.extend(signed_with_public_key(&good).await?);
        for (what, token) in forged {
            must_refuse(&route, what, route.ask(&token).await?, (401, INVALID)).await?;
        }
        let request = route.request().bearer_auth(&good.token);
        route.must_open("what was forged", request).await?;
    }
    let called =
        tokio::time::timeout(std::time::Duration::from_millis(10), listener.accept()).await;
    assert!(called.is_err(), "somebody asked the attacker for keys");
    machines.close().await
}

#[tokio::test]
async fn real_tokens_that_are_meant_for_something_else_open_nothing() -> Result<()> {
    let machines = Machines::start().await?;
    let environment = environment();
    let person = person::log_in(&environment.realm, environment.person("ann")?).await?;
    let administrator = Keycloak::log_in().await?;
    let elsewhere = machine_token("tasks-m2m", "").await?;
    for route in machines.guarded()? {
        for (what, token) in [
            ("an ID token", person.id.as_str()),
            ("a refresh token", &person.refresh),
            ("a token of another realm", administrator.token()),
            ("a token for nobody", &elsewhere),
        ] {
            must_refuse(&route, what, route.ask(token).await?, (401, INVALID)).await?;
        }
        let of_person = route.ask(&person.access).await?;
        assert_eq!(of_person.status(), 403, "a person at {}", route.name());
    }
    machines.close().await
}

#[tokio::test]
async fn a_token_counts_only_in_its_time() -> Result<()> {
    let machines = Machines::start().await?;
    for route in machines.guarded()? {
        let good = machines.token_for(&route).await?;
        machines.set_clocks(now());
        let in_time = route.request().bearer_auth(&good);
        route.must_open("in time", in_time).await?;
        machines.set_clocks(now() + TimeDelta::minutes(6));
        must_refuse(&route, "expired", route.ask(&good).await?, (401, INVALID)).await?;
        machines.set_clocks(now() - TimeDelta::minutes(1));
        must_refuse(
            &route,
            "not yet valid",
            route.ask(&good).await?,
            (401, INVALID),
        )
        .await?;
    }
    machines.close().await
}

#[tokio::test]
async fn a_token_counts_only_in_the_one_header_for_it() -> Result<()> {
    let machines = Machines::start().await?;
    for route in machines.guarded()? {
        let good = machines.token_for(&route).await?;
        let plain = |header: &str| route.request().header(AUTHORIZATION, header);
        for header in [
            "Bearer".to_owned(),
            format!("Basic {good}"),
            format!("DPoP {good}"),
            good.clone(),
        ] {
            let answer = plain(&header).send().await?;
            must_refuse(&route, &header, answer, (401, NO_TOKEN)).await?;
        }
        let nothing = route.request().send().await?;
        must_refuse(&route, "nothing", nothing, (401, NO_TOKEN)).await?;
        let query = route.request_to(&format!("?access_token={good}"));
        let query = query.send().await?;
        must_refuse(&route, "the token in the address", query, (401, NO_TOKEN)).await?;
        let twice = route
            .request()
            .bearer_auth(&good)
            .bearer_auth("other")
            .send()
            .await?;
        must_refuse(&route, "two headers", twice, (400, TWO)).await?;
        let lower_case = plain(&format!("bearer {good}"));
        route.must_open("lower case", lower_case).await?;
    }
    machines.close().await
}

#[tokio::test]
async fn the_running_services_refuse_as_well() -> Result<()> {
    let environment = environment();
    for url in [
        environment.tasks_api_url.join("/tasks")?,
        environment.auth_api_url.join("/users")?,
    ] {
        let answer = http::client()?
            .get(url)
            .bearer_auth("e30.e30.")
            .send()
            .await?;
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], INVALID);
    }
    Ok(())
}
