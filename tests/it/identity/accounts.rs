//! What people do to their own accounts: register, edit their profile, fail to log in, leave.

use anyhow::{Context as _, Result, ensure};
use contracts::topology::Publisher;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::watched::{Told, Watched, find, username};
use crate::{
    auth::browser::{Browser, Page, location},
    support::{environment::environment, http, keycloak::Keycloak, listener::Listener},
};

/// Meets the realm's password policy.
const PASSWORD: &str = "correct horse battery";

/// Keycloak's own page for people's accounts.
const CONSOLE: &str = "account-console";

/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWBuGJSstw-cM";

fn realm_url(path: &str) -> String {
    let environment = environment();
    format!(
        "{}/realms/{}{path}",
        environment.keycloak_url, environment.realm
    )
}

/// The address at which somebody of the account console begins to log in, register or delete.
fn entrance(page: &str, extra: &str) -> String {
    let back = realm_url("/account/");
    realm_url(&format!(
        "/protocol/openid-connect/{page}?client_id={CONSOLE}&redirect_uri={back}&response_type=code\
         &scope=openid&code_challenge={CHALLENGE}&code_challenge_method=S256{extra}"
    ))
}

/// Sends the form of `page` with these fields, and answers the code with which Keycloak sends back.
async fn submit(browser: &Browser, page: &Page, fields: &[(&str, &str)]) -> Result<Option<String>> {
    let form = page.body.split_once("action=\"").map(|(_, rest)| rest);
    let action = form
        .and_then(|rest| rest.split_once('"'))
        .map(|(action, _)| action);
    let action = action.with_context(|| format!("no form at {}: {}", page.url, page.body))?;
    let action = action.replace("&amp;", "&");
    let answer = browser.send(Method::POST, &action, &[], fields).await?;
    ensure!(
        answer.status() == StatusCode::FOUND,
        "{}: {}",
        page.url,
        answer.text().await?
    );
    let back = location(&answer)?.context("a redirect leads somewhere")?;
    let code = back.query_pairs().find(|(name, _)| name == "code");
    Ok(code.map(|(_, code)| code.into_owned()))
}

/// Registers and comes back with a token for the own account.
async fn register(browser: &Browser, username: &str) -> Result<String> {
    let page = browser.follow(&entrance("registrations", "")).await?;
    let email = format!("{username}@example.org");
    let fields = [
        ("username", username),
        ("email", &email),
        ("firstName", "Self"),
        ("lastName", "Made"),
        ("password", PASSWORD),
        ("password-confirm", PASSWORD),
    ];
    let code = submit(browser, &page, &fields).await?.context("a code")?;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", CONSOLE),
        ("redirect_uri", &realm_url("/account/")),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    let request = http::client()?
        .post(realm_url("/protocol/openid-connect/token"))
        .form(&form);
    let answer: Value = request.send().await?.json().await?;
    let token = answer["access_token"].as_str();
    Ok(token
        .with_context(|| format!("no token: {answer}"))?
        .to_owned())
}

/// Lets the person delete their own account, which the realm does not offer by itself.
async fn offer_deletion(person: &Watched) -> Result<()> {
    let path = "authentication/required-actions/delete_account";
    let mut action = person.keycloak.get(path).await?;
    action["enabled"] = json!(true);
    person.send(Method::PUT, path, &action).await?;
    let account = person.keycloak.client("account").await?;
    let account = account["id"].as_str().context("a client has an id")?;
    let role = person
        .keycloak
        .get(&format!("clients/{account}/roles/delete-account"))
        .await?;
    let mappings = person.path(&format!("/role-mappings/clients/{account}"));
    person
        .send(Method::POST, &mappings, &json!([role]))
        .await
        .map(drop)
}

#[tokio::test]
async fn people_register_edit_their_profile_and_leave_with_one_message_each() -> Result<()> {
    let heard = Listener::of(Publisher::Auth).await?;
    let (browser, username) = (Browser::new()?, username());
    let token = register(&browser, &username).await?;
    let person = find(&Keycloak::log_in().await?, &username).await?;
    let mut person = Watched::begin(heard, &username, person, Told::User("REGISTER")).await?;

    let profile = json!({
        "username": username,
        "email": format!("{username}@example.org"),
        "firstName": "Self",
        "lastName": "Edited",
    });
    let request = http::client()?
        .post(realm_url("/account/"))
        .bearer_auth(&token);
    request.json(&profile).send().await?.error_for_status()?;
    let told = person.changed(Told::User("UPDATE_PROFILE")).await?;
    assert_eq!(told.last_name, "Edited");

    offer_deletion(&person).await?;
    let page = browser
        .follow(&entrance("auth", "&kc_action=delete_account"))
        .await?;
    submit(&browser, &page, &[]).await?;
    person.is_gone(Told::User("DELETE_ACCOUNT")).await
}

#[tokio::test]
async fn failed_logins_are_no_messages() -> Result<()> {
    let person = Watched::create().await?;
    for _ in 0..3 {
        let answer = person
            .keycloak
            .try_password(&person.username, "wrong")
            .await?;
        assert_eq!(answer["error"], "invalid_grant");
    }
    person.delete().await
}
