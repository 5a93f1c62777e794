//! What people do to their own accounts: register, edit their profile, change their address, fail to log in, leave.

use anyhow::{Context as _, Result, ensure};
use contracts::{
    Message as _,
    identity::{UserChanged, UserCreated, UserDeleted},
    topology::Publisher,
};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{
    own::{OwnBridge, QUICK},
    watched::{Told, Watched, find, username},
};
use crate::support::{
    browser::{Browser, Page},
    environment::{Login, environment},
    http,
    keycloak::Keycloak,
    listener::Listener,
    mail::mailed_link,
    person::{self, account, entrance},
    realm::TestRealm,
};

/// Meets the realm's password policy.
const PASSWORD: &str = "correct horse battery";

/// Somebody whom no other test knows.
fn newcomer() -> Login {
    Login {
        username: username(),
        password: PASSWORD.to_owned(),
    }
}

fn mail_address(username: &str) -> String {
    format!("{username}@example.org")
}

/// Fills in the form for newcomers.
async fn register(browser: &Browser, login: &Login) -> Result<()> {
    let form = entrance(&environment().realm, "registrations", &[])?;
    let page = browser.follow(&form).await?;
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
    let link = mailed_link(&mail_address(&login.username)).await?;
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

/// Gives the person another name and address in the account console.
async fn edit_profile(login: &Login, email: &str) -> Result<()> {
    let realm = &environment().realm;
    let tokens = person::log_in(realm, login).await?;
    let profile = json!({
        "username": login.username,
        "email": email,
        "firstName": "Self",
        "lastName": "Edited",
    });
    let request = http::client()?.post(account(realm)).json(&profile);
    let answer = request.bearer_auth(tokens.access).send().await?;
    answer.error_for_status()?;
    Ok(())
}

/// Lets people ask for an action that realms of ours do not offer.
async fn offer(keycloak: &Keycloak, action: &str) -> Result<()> {
    let path = format!("authentication/required-actions/{action}");
    let mut description = keycloak.get(&path).await?;
    description["enabled"] = json!(true);
    keycloak
        .send(Method::PUT, &path, &description)
        .await
        .map(drop)
}

/// Lets the person delete their own account.
async fn offer_deletion(person: &Watched) -> Result<()> {
    offer(&person.keycloak, "delete_account").await?;
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

/// Logs in where the account console sends people for `action`, and answers its page.
async fn ask_for(browser: &Browser, realm: &str, login: &Login, action: &str) -> Result<Page> {
    let address = entrance(realm, "auth", &[("kc_action", action)])?;
    browser.log_in_at(&address, login).await
}

#[tokio::test]
async fn people_register_edit_their_profile_and_leave_with_one_message_each() -> Result<()> {
    let heard = Listener::of(Publisher::Auth).await?;
    let login = newcomer();
    let browser = Browser::new()?;
    register(&browser, &login).await?;
    let person = find(&Keycloak::log_in().await?, &login.username).await?;
    let told = Told::User("REGISTER");
    let mut person = Watched::begin(heard, &login.username, person, told).await?;

    confirm(&browser, &login).await?;
    // That the next message tells of something else shows that this is none.
    person.seen(Told::User("VERIFY_EMAIL")).await?;
    let new = mail_address(&format!("new-{}", login.username));
    edit_profile(&login, &new).await?;
    let told = person.changed(Told::User("UPDATE_PROFILE")).await?;
    assert_eq!(told.last_name, "Edited");
    assert_eq!(told.email.as_ref(), Some(&new));

    offer_deletion(&person).await?;
    let browser = Browser::new()?;
    ask_for(&browser, &environment().realm, &login, "delete_account").await?;
    // Whoever has a new address confirms it at the next login.
    let question = browser.follow(&mailed_link(&new).await?).await?;
    browser.submit(&question, &[]).await?;
    person.gone(Told::User("DELETE_ACCOUNT")).await
}

/// A realm that mails as ours does and lets people change their address on a page of its own.
async fn realm_that_offers_new_addresses() -> Result<TestRealm> {
    let ours = Keycloak::log_in().await?.get("").await?;
    let mails = json!({"smtpServer": ours["smtpServer"]});
    let realm = TestRealm::import_with(&mails).await?;
    offer(&realm.log_in().await?, "UPDATE_EMAIL").await?;
    Ok(realm)
}

#[tokio::test]
async fn a_new_mail_address_counts_from_its_confirmation_on() -> Result<()> {
    let realm = realm_that_offers_new_addresses().await?;
    let mut bridge = OwnBridge::open(&realm.name, QUICK).await?;
    let login = newcomer();
    let keycloak = realm.log_in().await?;
    let person = keycloak.create_person(&login.username).await?;
    let password = json!({"type": "password", "value": login.password});
    let path = format!("users/{person}/reset-password");
    keycloak.send(Method::PUT, &path, &password).await?;
    bridge.next_about(person).await?.body::<UserCreated>()?;

    let browser = Browser::new()?;
    let form = ask_for(&browser, &realm.name, &login, "UPDATE_EMAIL").await?;
    let new = mail_address(&format!("new-{}", login.username));
    browser.submit(&form, &[("email", &new)]).await?;
    let link = mailed_link(&new).await?;
    bridge.compare().await?;
    let told = bridge.user(person).await?.context("the person lives")?;
    assert_eq!(told.email, Some(mail_address(&login.username)));

    browser.follow(&link).await?;
    let message = bridge.next_about(person).await?.body::<UserChanged>()?;
    let confirmed_at = realm.event_time(person, "UPDATE_EMAIL").await?;
    assert_eq!(message.timestamp(), confirmed_at);
    let told = bridge.user(person).await?.context("the person lives")?;
    assert_eq!(told.email, Some(new));

    // That this is the next message shows that there was one only.
    realm.log_in().await?.delete_person(person).await?;
    bridge.next_about(person).await?.body::<UserDeleted>()?;
    bridge.remove().await?;
    realm.remove().await
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
