//! Logging out: here, at Keycloak, and everywhere.

use anyhow::{Context as _, Result};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::site::{Backchannel, Site};
use crate::support::{
    browser::{Browser, location},
    environment::environment,
    waiting::until,
};

#[tokio::test]
async fn logging_out_ends_the_session_here_and_at_keycloak() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = Browser::new()?;
    let page = browser
        .log_in_at(&site.url("/tasks/who"), &site.visitor.login)
        .await?;
    let session = browser
        .cookie("tasks_session")
        .context("there is a session")?;
    let who = page.json()?;
    let csrf = who["csrf"].as_str().context("forms have a token")?;

    let response = browser.post(&site.url("/tasks/logout"), csrf).await?;
    let keycloak = location(&response)?.context("it leads on")?;
    assert!(
        keycloak.as_str().starts_with(&environment().keycloak_url),
        "{keycloak}"
    );
    let end = browser.follow(keycloak.as_str()).await?;
    assert!(
        end.body.contains("action=\""),
        "the password is asked for again at {}",
        end.url
    );

    browser.set_cookie("tasks_session", &session);
    let replay = browser.get(&site.url("/tasks/who")).await?;
    assert_eq!(
        replay.status(),
        StatusCode::SEE_OTHER,
        "the old id is worth nothing"
    );
    assert_eq!(site.sessions().await?, 0);
    site.close().await
}

#[tokio::test]
async fn another_site_cannot_log_anybody_out() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = Browser::new()?;
    browser
        .log_in_at(&site.url("/tasks/who"), &site.visitor.login)
        .await?;
    let response = browser.post(&site.url("/tasks/logout"), "").await?;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let by_link = browser.get(&site.url("/tasks/logout")).await?;
    assert_eq!(by_link.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(site.sessions().await?, 1);
    site.close().await
}

#[tokio::test]
async fn keycloak_ends_sessions_by_itself() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = Browser::new()?;
    browser
        .log_in_at(&site.url("/tasks/who"), &site.visitor.login)
        .await?;
    let logout = format!("users/{}/logout", site.visitor.id);
    site.keycloak
        .send(Method::POST, &logout, &Value::Null)
        .await?;
    until("the session has ended", || async {
        Ok(site.sessions().await? == 0)
    })
    .await?;
    let spent = site.database.count("spent_logout_token", "true").await?;
    assert_eq!(spent, 1);
    let after = browser.get(&site.url("/tasks/who")).await?;
    assert_eq!(after.status(), StatusCode::SEE_OTHER);
    site.close().await
}

#[tokio::test]
async fn a_made_up_logout_token_ends_nothing() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = Browser::new()?;
    browser
        .log_in_at(&site.url("/tasks/who"), &site.visitor.login)
        .await?;
    let url = site.url("/tasks/backchannel-logout");
    let stranger = Browser::new()?;
    for token in ["", "abc", "e30.e30.", "eyJhbGciOiJub25lIn0.e30."] {
        let form = [("logout_token", token)];
        let response = stranger.send(Method::POST, &url, &[], &form).await?;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{token}");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    assert_eq!(site.sessions().await?, 1);
    site.close().await
}
