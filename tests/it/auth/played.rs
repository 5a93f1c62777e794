//! A service whose issuer the test plays, for what no real issuer would say.

use anyhow::{Context as _, Result, ensure};
use platform::{lifecycle::Lifecycle, sources::Clock as _};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::site::{Backchannel, Site};
use crate::support::{
    browser::{Browser, location, parameter},
    issuer::{OWN, PlayedIssuer},
};

/// The service, and the issuer that it believes in.
pub(super) struct Played {
    pub(super) site: Site,
    pub(super) issuer: PlayedIssuer,
    /// The issuer's name.
    pub(super) name: String,
    /// Where the service answers.
    origin: String,
    lifecycle: Lifecycle,
}

/// A login that waits for its answer.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) state: String,
    pub(super) nonce: String,
}

impl Played {
    pub(super) async fn open() -> Result<Self> {
        let lifecycle = Lifecycle::new();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let name = format!("http://{}/realms/it", listener.local_addr()?);
        let issuer = PlayedIssuer::default();
        issuer.publish(&[OWN])?;
        platform::http::serve(&lifecycle, "issuer", listener, issuer.routes())?;
        let site = Site::open(Backchannel::Off).await?;
        Ok(Self {
            origin: site.replica(&name).await?,
            site,
            issuer,
            name,
            lifecycle,
        })
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Asks for a page and is sent to the issuer.
    pub(super) async fn begin(&self, browser: &Browser) -> Result<Begun> {
        let login = self.url("/tasks/login?return_to=/tasks/who");
        let sent = location(&browser.get(&login).await?)?.context("a login leads to the issuer")?;
        ensure!(sent.as_str().starts_with(&self.name), "{sent}");
        Ok(Begun {
            state: parameter(&sent, "state")?,
            nonce: parameter(&sent, "nonce")?,
        })
    }

    /// Comes back from the issuer with its answer to `state`.
    pub(super) async fn come_back(&self, browser: &Browser, state: &str) -> Result<Response> {
        let callback = self.url(&format!("/tasks/callback?code=it&state={state}"));
        browser.get(&callback).await
    }

    /// An ID token's claims as they should be: a person at a session of the issuer.
    pub(super) fn id_claims(&self, nonce: &str, person: Uuid, sid: &str) -> Value {
        let now = self.site.clock.now().timestamp();
        json!({
            "iss": self.name,
            "aud": self.site.client_id,
            "azp": self.site.client_id,
            "sub": person,
            "sid": sid,
            "nonce": nonce,
            "typ": "ID",
            "iat": now,
            "exp": now + 300,
            "preferred_username": "visitor",
            "realm_access": {"roles": ["employee"]},
        })
    }

    /// The issuer gives this ID token from now on.
    pub(super) fn give(&self, id_token: &str) {
        let tokens = json!({
            "access_token": "it", "token_type": "Bearer", "expires_in": 300, "refresh_token": "it",
            "id_token": id_token,
        });
        self.issuer.answer(StatusCode::OK, tokens);
    }

    /// A browser in which `person` has logged in, at the issuer's session `sid`.
    pub(super) async fn log_in(&self, person: Uuid, sid: &str) -> Result<Browser> {
        let browser = Browser::new()?;
        let Begun { state, nonce } = self.begin(&browser).await?;
        self.give(&OWN.sign(&self.id_claims(&nonce, person, sid))?);
        let back = self.come_back(&browser, &state).await?;
        ensure!(back.status() == StatusCode::SEE_OTHER, "{back:?}");
        Ok(browser)
    }

    /// Whether the service lets the browser work.
    pub(super) async fn lets_in(&self, browser: &Browser) -> Result<bool> {
        let who = browser.get(&self.url("/tasks/who")).await?;
        Ok(who.status() == StatusCode::OK)
    }

    /// The issuer answers nobody any more.
    pub(super) async fn end_issuer(&self) {
        self.lifecycle.stop_and_wait().await;
    }

    pub(super) async fn close(self) -> Result<()> {
        self.site.close().await?;
        self.lifecycle.stop_and_wait().await;
        Ok(())
    }
}
