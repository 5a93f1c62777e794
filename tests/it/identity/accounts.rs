//! What people do to their own accounts: register, edit their profile, fail to log in, leave.

use anyhow::{Context as _, Result, ensure};
use contracts::topology::Publisher;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::watched::{Told, Watched, find, username};
use crate::support::{
    browser::Browser,
    environment::{Login, environment},
    http,
    keycloak::Keycloak,
    listener::Listener,
    person::{self, CHALLENGE, CLIENT},
    waiting::eventually,
};

/// Meets the realm's password policy.
const PASSWORD: &str = "correct horse battery";

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
        "/protocol/openid-connect/{page}?client_id={CLIENT}&redirect_uri={back}&response_type=code\
         &scope=openid&code_challenge={CHALLENGE}&code_challenge_method=S256{extra}"
    ))
}

fn mail_address(username: &str) -> String {
    format!("{username}@example.org")
}

/// Fills in the form for newcomers.
async fn register(browser: &Browser, login: &Login) -> Result<()> {
    let page = browser.follow(&entrance("registrations", "")).await?;
    let email = mail_address(&login.username);
    let fields = [
        ("username", login.username.as_str()),
        ("email", &email),
        ("firstName", "Self"),
        ("lastName", "Made"),
    ];
    let answer = browser.submit(&page, &fields).await?;
    browser.follow_from(answer).await.map(drop)
}

/// Confirms the mail address, and sets the password asked for then.
async fn confirm(browser: &Browser, login: &Login) -> Result<()> {
    let email = mail_address(&login.username);
    let link = eventually("a mail to the newcomer", || mailed_link(&email)).await?;
    let page = browser.follow(&link).await?;
    let fields = [
        ("password-new", login.password.as_str()),
        ("password-confirm", &login.password),
    ];
    let answer = browser.submit(&page, &fields).await?;
    ensure!(
        answer.status() == StatusCode::FOUND,
        "{}",
        answer.text().await?
    );
    Ok(())
}

/// The first link that was mailed to `address`; none before it came.
async fn mailed_link(address: &str) -> Result<Option<String>> {
    let url = environment().mail_url.join("/email")?;
    let mails: Vec<Value> = http::client()?.get(url).send().await?.json().await?;
    let mail = mails
        .iter()
        .find(|mail| mail["to"][0]["address"] == address);
    let words = mail.and_then(|mail| mail["text"].as_str());
    let mut words = words.unwrap_or_default().split_whitespace();
    Ok(words
        .find(|word| word.starts_with("http"))
        .map(str::to_owned))
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

/// Logs in where the account console sends people who want to leave, and confirms it.
async fn leave(login: &Login) -> Result<()> {
    let browser = Browser::new()?;
    let form = browser
        .follow(&entrance("auth", "&kc_action=delete_account"))
        .await?;
    let fields = [
        ("username", login.username.as_str()),
        ("password", login.password.as_str()),
    ];
    let question = browser.submit(&form, &fields).await?;
    let question = browser.follow_from(question).await?;
    browser.submit(&question, &[]).await.map(drop)
}

#[tokio::test]
async fn people_register_edit_their_profile_and_leave_with_one_message_each() -> Result<()> {
    let heard = Listener::of(Publisher::Auth).await?;
    let login = Login {
        username: username(),
        password: PASSWORD.to_owned(),
    };
    let browser = Browser::new()?;
    register(&browser, &login).await?;
    let person = find(&Keycloak::log_in().await?, &login.username).await?;
    let told = Told::User("REGISTER");
    let mut person = Watched::begin(heard, &login.username, person, told).await?;

    confirm(&browser, &login).await?;
    let tokens = person::log_in(&environment().realm, &login).await?;
    let profile = json!({
        "username": login.username,
        "email": mail_address(&login.username),
        "firstName": "Self",
        "lastName": "Edited",
    });
    http::client()?
        .post(realm_url("/account/"))
        .bearer_auth(tokens.access)
        .json(&profile)
        .send()
        .await?
        .error_for_status()?;
    let told = person.changed(Told::User("UPDATE_PROFILE")).await?;
    assert_eq!(told.last_name, "Edited");

    offer_deletion(&person).await?;
    leave(&login).await?;
    person.gone(Told::User("DELETE_ACCOUNT")).await
}

#[tokio::test]
async fn failed_logins_are_no_messages() -> Result<()> {
    let person = Watched::create().await?;
    let wrong = Login {
        username: person.username.clone(),
        password: "wrong".to_owned(),
    };
    for _ in 0..3 {
        person::log_in(&environment().realm, &wrong)
            .await
            .unwrap_err();
    }
    person.delete().await
}
