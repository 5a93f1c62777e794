//! Keycloak's process is stopped: people work on, new logins wait for it, and all is well when it is back.
//!
//! Nothing else runs meanwhile (`.config/nextest.toml`), since everybody shares this Keycloak.

use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use url::Url;

use super::everywhere::{Guest, account, board};
use crate::support::{
    browser::{Browser, location},
    environment::{Login, environment, xtask},
    http,
    keycloak::machine_token,
    waiting::until,
};

/// What a page says to a browser without scripts: load me again.
const RETRIES: &str = "<meta http-equiv=\"refresh\" content=\"5\">";

/// Somebody who has just given Keycloak their password.
struct Late {
    browser: Browser,
    callback: Url,
}

impl Late {
    async fn arrive(login: &Login) -> Result<Self> {
        let browser = Browser::new()?;
        let form = browser.follow(&board()).await?;
        let back = browser.submit_password(&form, login).await?;
        let callback = location(&back)?.context("Keycloak leads back")?;
        Ok(Self { browser, callback })
    }

    /// Where the page tries again that is in place of the one that was asked for.
    async fn is_told_to_wait(&self) -> Result<Url> {
        let page = self.browser.follow(self.callback.as_str()).await?;
        ensure!(page.status == StatusCode::SERVICE_UNAVAILABLE, "{page:?}");
        let again = page.next_try()?;
        let waits = self.browser.follow(again.as_str()).await?;
        ensure!(waits.body.contains(RETRIES), "{waits:?}");
        Ok(again)
    }

    /// They come in, or are asked for the password if Keycloak has forgotten them.
    async fn begins_again(&self, at: &Url) -> Result<()> {
        let page = self.browser.follow(at.as_str()).await?;
        let came_in = page.url.as_str() == board();
        let is_asked = page.url.as_str().starts_with(&environment().keycloak_url);
        let is_well = page.status == StatusCode::OK && (came_in || is_asked);
        ensure!(is_well, "{page:?}");
        Ok(())
    }
}

async fn all_is_well_meanwhile(guest: &Guest, stranger: &Browser, token: &str) -> Result<()> {
    ensure!(guest.is_in().await? == (true, true), "sessions live on");
    for page in [board(), account()] {
        let page = stranger.follow(&page).await?;
        let waits = page.status == StatusCode::SERVICE_UNAVAILABLE
            && page.body.contains("Sign-in is not available now")
            && page.body.contains(RETRIES);
        ensure!(
            waits,
            "the page says what is wrong and tries again: {page:?}"
        );
    }
    let tasks = http::client()?.get(environment().tasks_api_url.join("/tasks?limit=1")?);
    let answer = tasks.bearer_auth(token).send().await?;
    ensure!(answer.status() == StatusCode::OK, "known keys are served");
    Ok(())
}

#[tokio::test]
async fn without_keycloak_people_work_on_and_new_logins_wait_for_it() -> Result<()> {
    let guest = Guest::arrive().await?;
    let token = machine_token("finance-m2m", "tasks:read").await?;
    let tasks = http::client()?.get(environment().tasks_api_url.join("/tasks?limit=1")?);
    let before = tasks.bearer_auth(&token).send().await?;
    assert_eq!(before.status(), StatusCode::OK, "the keys are known");
    let stranger = Browser::new()?;
    let late = Late::arrive(&guest.login).await?;

    xtask(&["stop", "keycloak"]).await?;
    let meanwhile = all_is_well_meanwhile(&guest, &stranger, &token).await;
    let again = late.is_told_to_wait().await;
    xtask(&["start", "keycloak"]).await?;
    meanwhile?;
    let again = again?;

    until("the page that waited leads to the login", || async {
        let page = stranger.follow(&board()).await?;
        Ok(page.status == StatusCode::OK && page.body.contains("action=\""))
    })
    .await?;
    late.begins_again(&again).await?;
    assert_eq!(guest.is_in().await?, (true, true), "sessions outlive it");
    guest.leave().await
}
