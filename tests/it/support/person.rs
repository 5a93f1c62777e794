//! A person who logs in to Keycloak's account console and keeps the tokens that this program gets.

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{
    Response, StatusCode,
    header::{COOKIE, LOCATION, SET_COOKIE},
};
use serde::Deserialize;
use url::Url;

use super::{
    environment::{Login, environment},
    http,
};

/// Keycloak's own program for people, a client that any realm has.
pub(crate) const CLIENT: &str = "account-console";

/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What the token endpoint answers.
#[derive(Debug, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

/// Logs a person in by Keycloak's form.
pub(crate) async fn log_in(realm: &str, person: &Login) -> Result<Tokens> {
    let http = http::client()?;
    let redirect = redirect(realm);
    let parameters = [
        ("client_id", CLIENT),
        ("redirect_uri", &redirect),
        ("response_type", "code"),
        ("scope", "openid"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let address = Url::parse_with_params(&endpoint(realm, "auth"), parameters)?;
    let form = http.get(address).send().await?;
    let cookies = cookies(&form)?;
    let page = form.text().await?;
    let (_, rest) = page.split_once("action=\"").context("a login form")?;
    let (action, _) = rest.split_once('"').context("the form has an address")?;
    let fields = [
        ("username", &person.username),
        ("password", &person.password),
    ];
    let answer = http
        .post(action.replace("&amp;", "&"))
        .header(COOKIE, cookies)
        .form(&fields)
        .send()
        .await?;
    let Some(location) = answer.headers().get(LOCATION) else {
        bail!("the form was refused: {}", answer.text().await?);
    };
    let back = Url::parse(location.to_str()?)?;
    let code = back.query_pairs().find(|(name, _)| name == "code");
    let (_, code) = code.with_context(|| format!("no code in {back}"))?;
    request(
        realm,
        &[
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT),
            ("redirect_uri", &redirect),
            ("code", &code),
            ("code_verifier", VERIFIER),
        ],
    )
    .await
}

/// New tokens for those of a session that still lives.
pub(crate) async fn refresh(realm: &str, tokens: &Tokens) -> Result<Tokens> {
    request(
        realm,
        &[
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT),
            ("refresh_token", &tokens.refresh_token),
        ],
    )
    .await
}

async fn request(realm: &str, form: &[(&str, &str)]) -> Result<Tokens> {
    let request = http::client()?.post(endpoint(realm, "token")).form(form);
    let answer = request.send().await?;
    let status = answer.status();
    let body = answer.text().await?;
    ensure!(status == StatusCode::OK, "no tokens: {status} {body}");
    Ok(serde_json::from_str(&body)?)
}

fn endpoint(realm: &str, name: &str) -> String {
    let keycloak = &environment().keycloak_url;
    format!("{keycloak}/realms/{realm}/protocol/openid-connect/{name}")
}

fn redirect(realm: &str) -> String {
    format!("{}/realms/{realm}/account/", environment().keycloak_url)
}

/// Carried by hand: Keycloak's are `Secure` even on localhost, where only browsers send them.
fn cookies(answer: &Response) -> Result<String> {
    let mut pairs = Vec::new();
    for cookie in answer.headers().get_all(SET_COOKIE) {
        let (pair, _) = cookie.to_str()?.split_once(';').context("attributes")?;
        pairs.push(pair);
    }
    Ok(pairs.join("; "))
}
