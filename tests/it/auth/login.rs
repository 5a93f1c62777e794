//! Logging in: who comes in, where to, and which answers of a browser do not count.

use anyhow::{Context as _, Result};
use reqwest::{StatusCode, header::SET_COOKIE};
use serde_json::json;

use super::site::{Backchannel, Site};
use crate::support::browser::{Browser, location, parameter};

#[tokio::test]
async fn a_login_leads_to_the_page_that_was_asked_for() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = Browser::new()?;
    let wanted = site.url("/tasks/who?page=2");
    let page = browser.log_in_at(&wanted, &site.visitor.login).await?;
    assert_eq!(
        (page.url.as_str(), page.status),
        (wanted.as_str(), StatusCode::OK)
    );
    assert_eq!(page.json()?["user_id"], json!(site.visitor.id));
    assert_eq!(site.sessions().await?, 1);
    site.close().await
}

#[tokio::test]
async fn the_session_is_in_a_cookie_that_scripts_and_other_sites_do_not_get() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = Browser::new()?;
    let form = browser.follow(&site.url("/tasks/who")).await?;
    let back = browser.submit_password(&form, &site.visitor.login).await?;
    let callback = location(&back)?.context("Keycloak leads back")?;
    let response = browser.get(callback.as_str()).await?;
    let cookie = response.headers()[SET_COOKIE].to_str()?;
    let value = browser
        .cookie("tasks_session")
        .context("there is a session")?;
    assert_eq!(
        cookie,
        format!("tasks_session={value}; Path=/; HttpOnly; SameSite=Lax")
    );
    let stored = site
        .database
        .count("session", &format!("id_hash = '{value}'::bytea"))
        .await?;
    assert_eq!(stored, 0, "the database does not know the id itself");
    site.close().await
}

#[tokio::test]
async fn an_answer_counts_once_and_only_in_the_browser_that_asked() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let (mine, other) = (Browser::new()?, Browser::new()?);
    let form = mine.follow(&site.url("/tasks/who")).await?;
    let back = mine.submit_password(&form, &site.visitor.login).await?;
    let callback = location(&back)?.context("Keycloak leads back")?;

    other.get(&site.url("/tasks/login")).await?;
    let stolen = other.get(callback.as_str()).await?;
    assert_eq!(stolen.status(), StatusCode::BAD_REQUEST);
    assert_eq!(other.cookie("tasks_session"), None);

    assert_eq!(
        mine.get(callback.as_str()).await?.status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        mine.get(callback.as_str()).await?.status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(site.sessions().await?, 1);
    site.close().await
}

#[tokio::test]
async fn an_answer_with_another_state_or_issuer_does_not_count() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    for (parameter, value) in [
        ("state", "A".repeat(43)),
        ("iss", "http://evil.example".to_owned()),
    ] {
        let browser = Browser::new()?;
        let form = browser.follow(&site.url("/tasks/who")).await?;
        let back = browser.submit_password(&form, &site.visitor.login).await?;
        let mut callback = location(&back)?.context("Keycloak leads back")?;
        let pairs: Vec<(String, String)> = callback
            .query_pairs()
            .filter(|(name, _)| name != parameter)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        callback
            .query_pairs_mut()
            .clear()
            .extend_pairs(pairs)
            .append_pair(parameter, &value);
        let answer = browser.get(callback.as_str()).await?;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{parameter}");
    }
    assert_eq!(site.sessions().await?, 0);
    site.close().await
}

#[tokio::test]
async fn a_code_counts_only_with_the_login_it_was_made_for() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = Browser::new()?;
    let first = browser.follow(&site.url("/tasks/who")).await?;
    let back = browser.submit_password(&first, &site.visitor.login).await?;
    let mine = location(&back)?.context("Keycloak leads back")?;
    // The same browser begins another login, whose proof key and nonce are others.
    let begun = browser.get(&site.url("/tasks/login")).await?;
    let begun = location(&begun)?.context("a login leads to Keycloak")?;
    let (code, state) = (parameter(&mine, "code")?, parameter(&begun, "state")?);
    let mixed = format!("{}?code={code}&state={state}", site.url("/tasks/callback"));
    assert_eq!(browser.get(&mixed).await?.status(), StatusCode::BAD_REQUEST);
    assert_eq!(browser.cookie("tasks_session"), None);
    assert_eq!(site.sessions().await?, 0);
    site.close().await
}

#[tokio::test]
async fn an_answer_without_state_code_or_cookie_does_not_count() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    for missing in ["state", "code", "cookie"] {
        let browser = Browser::new()?;
        let form = browser.follow(&site.url("/tasks/who")).await?;
        let back = browser.submit_password(&form, &site.visitor.login).await?;
        let mut callback = location(&back)?.context("Keycloak leads back")?;
        let pairs: Vec<(String, String)> = callback.query_pairs().into_owned().collect();
        let kept = pairs.iter().filter(|(name, _)| name != missing);
        callback.query_pairs_mut().clear().extend_pairs(kept);
        if missing == "cookie" {
            browser.set_cookie("tasks_login", "");
        }
        let answer = browser.get(callback.as_str()).await?;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{missing}");
    }
    assert_eq!(site.sessions().await?, 0);
    site.close().await
}

#[tokio::test]
async fn a_login_that_takes_longer_than_ten_minutes_is_over() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = Browser::new()?;
    let form = browser.follow(&site.url("/tasks/who")).await?;
    let back = browser.submit_password(&form, &site.visitor.login).await?;
    let callback = location(&back)?.context("Keycloak leads back")?;
    site.clock.advance(chrono::TimeDelta::minutes(11));
    let answer = browser.get(callback.as_str()).await?;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    site.close().await
}

#[tokio::test]
async fn a_login_takes_a_fresh_id_and_ends_the_session_before_it() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = Browser::new()?;
    let planted = "B".repeat(42) + "A";
    browser.set_cookie("tasks_session", &planted);
    browser
        .log_in_at(&site.url("/tasks/who"), &site.visitor.login)
        .await?;
    let first = browser
        .cookie("tasks_session")
        .context("there is a session")?;
    assert_ne!(first, planted);

    let again = browser.follow(&site.url("/tasks/login")).await?;
    assert_eq!(
        again.url.path(),
        "/tasks",
        "Keycloak still knows the browser"
    );
    let second = browser
        .cookie("tasks_session")
        .context("there is a session")?;
    assert_ne!(second, first);
    assert_eq!(site.sessions().await?, 1);
    site.close().await
}

#[tokio::test]
async fn a_login_leads_nowhere_else() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = Browser::new()?;
    browser
        .log_in_at(&site.url("/tasks/who"), &site.visitor.login)
        .await?;
    for wanted in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/finance/me",
    ] {
        let mut login: url::Url = site.url("/tasks/login").parse()?;
        login.query_pairs_mut().append_pair("return_to", wanted);
        let page = browser.follow(login.as_str()).await?;
        assert_eq!(page.url.as_str(), site.url("/tasks"), "{wanted}");
    }
    site.close().await
}

#[tokio::test]
async fn without_keycloak_people_work_on_and_nobody_can_log_in() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = Browser::new()?;
    browser
        .log_in_at(&site.url("/tasks/who"), &site.visitor.login)
        .await?;
    let cut_off = site.replica("http://127.0.0.1:1/realms/gone").await?;

    site.clock.advance(chrono::TimeDelta::minutes(20));
    let who = browser.get(&format!("{cut_off}/tasks/who")).await?;
    assert_eq!(who.status(), StatusCode::OK);

    let login = Browser::new()?
        .get(&format!("{cut_off}/tasks/login"))
        .await?;
    assert_eq!(login.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(login.headers().contains_key("retry-after"));
    assert!(login.text().await?.contains("Sign-in is not available now"));
    site.close().await
}
