//! One person at both running services: one login, one logout, and what the news of a change ends in both.

use anyhow::{Context as _, Result};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::site::create_visitor;
use crate::support::{
    browser::Browser,
    environment::{Login, environment},
    keycloak::Keycloak,
    waiting::until,
};

/// Somebody in front of both services, through the load balancer.
pub(super) struct Guest {
    browser: Browser,
    pub(super) login: Login,
    id: Uuid,
    keycloak: Keycloak,
}

impl Guest {
    /// Logs in to the board; finance asks for no password again.
    pub(super) async fn arrive() -> Result<Self> {
        let keycloak = Keycloak::log_in().await?;
        let visitor = create_visitor(&keycloak).await?;
        let guest = Self {
            browser: Browser::new()?,
            login: visitor.login,
            id: visitor.id,
            keycloak,
        };
        let page = guest.browser.log_in_at(&board(), &guest.login).await?;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let account = guest.browser.follow(&account()).await?;
        assert_eq!(account.status, StatusCode::OK, "{account:?}");
        Ok(guest)
    }

    /// Whether each service still lets the person work.
    pub(super) async fn is_in(&self) -> Result<(bool, bool)> {
        let board = self.browser.get(&board()).await?.status();
        let account = self.browser.get(&account()).await?.status();
        Ok((board == StatusCode::OK, account == StatusCode::OK))
    }

    async fn until_out(&self) -> Result<()> {
        until("both sessions have ended", || async {
            Ok(self.is_in().await? == (false, false))
        })
        .await
    }

    /// The administrator logs in anew: a token lives for a minute.
    pub(super) async fn leave(self) -> Result<()> {
        Keycloak::log_in().await?.delete_person(self.id).await
    }
}

pub(super) fn board() -> String {
    format!("{}/mine", environment().tasks_url)
}

pub(super) fn account() -> String {
    format!("{}/me", environment().finance_url)
}

#[tokio::test]
async fn one_click_logs_out_of_both_services_and_keycloak() -> Result<()> {
    let guest = Guest::arrive().await?;
    let page = guest.browser.follow(&account()).await?;
    let logout = format!("{}/logout", environment().finance_url);
    let csrf = page.csrf_token()?;
    let answer = guest.browser.post(&logout, csrf).await?;
    let end = guest.browser.follow_from(answer).await?;
    assert!(
        end.body.contains("action=\""),
        "the password is asked for: {}",
        end.url
    );
    guest.until_out().await?;
    guest.leave().await
}

#[tokio::test]
async fn a_session_in_use_ends_when_the_person_is_disabled_or_loses_a_role_or_is_deleted()
-> Result<()> {
    let guest = Guest::arrive().await?;
    let disabled = json!({"enabled": false});
    guest.keycloak.change_person(guest.id, &disabled).await?;
    guest.until_out().await?;
    let enabled = json!({"enabled": true});
    guest.keycloak.change_person(guest.id, &enabled).await?;
    guest.leave().await?;

    let guest = Guest::arrive().await?;
    guest
        .keycloak
        .take_role_in_console(guest.id, "default-roles-task-exchange")
        .await?;
    guest.until_out().await?;
    guest.leave().await?;

    let guest = Guest::arrive().await?;
    guest.keycloak.delete_person(guest.id).await?;
    guest.until_out().await
}

#[tokio::test]
async fn a_logout_by_the_administrator_ends_the_sessions_of_every_device() -> Result<()> {
    let guest = Guest::arrive().await?;
    let phone = Browser::new()?;
    phone.log_in_at(&board(), &guest.login).await?;
    let logout = format!("users/{}/logout", guest.id);
    guest
        .keycloak
        .send(Method::POST, &logout, &Value::Null)
        .await?;
    guest.until_out().await?;
    until("the other device is logged out", || async {
        Ok(phone.get(&board()).await?.status() == StatusCode::SEE_OTHER)
    })
    .await?;
    guest.leave().await.context("the person is still there")
}
