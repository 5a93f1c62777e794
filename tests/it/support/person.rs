//! A person who logs in to Keycloak's account console and keeps the tokens that this program gets.

use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use serde::Deserialize;
use url::Url;

use super::{
    browser::{Browser, location, parameter},
    environment::{Login, environment},
    http,
};

/// Keycloak's own program for people, a client that any realm has.
const CLIENT: &str = "account-console";

/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What the token endpoint answers.
#[derive(Debug, Deserialize)]
pub(crate) struct Tokens {
    #[serde(rename = "access_token")]
    pub(crate) access: String,
    #[serde(rename = "id_token")]
    pub(crate) id: String,
    #[serde(rename = "refresh_token")]
    pub(crate) refresh: String,
}

/// The address at which somebody of the account console begins to log in, or does what `extra` asks for.
pub(crate) fn entrance(realm: &str, page: &str, extra: &[(&str, &str)]) -> Result<String> {
    let back = account(realm);
    let parameters = [
        ("client_id", CLIENT),
        ("redirect_uri", &back),
        ("response_type", "code"),
        ("scope", "openid"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let parameters = parameters.iter().chain(extra);
    Ok(Url::parse_with_params(&endpoint(realm, page), parameters)?.into())
}

/// Logs a person in by Keycloak's form.
pub(crate) async fn log_in(realm: &str, person: &Login) -> Result<Tokens> {
    let browser = Browser::new()?;
    let form = browser.follow(&entrance(realm, "auth", &[])?).await?;
    let answer = browser.submit_password(&form, person).await?;
    let back = location(&answer)?.context("Keycloak leads back")?;
    let code = parameter(&back, "code")?;
    request(
        realm,
        &[
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT),
            ("redirect_uri", &account(realm)),
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
            ("refresh_token", &tokens.refresh),
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

/// The account console, which answers people's own requests as well.
pub(crate) fn account(realm: &str) -> String {
    format!("{}/realms/{realm}/account/", environment().keycloak_url)
}
