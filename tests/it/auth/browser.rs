//! A browser as far as a login needs one: cookies, redirects, and Keycloak's form.

use std::{collections::BTreeMap, sync::Mutex};

use anyhow::{Context as _, Result, ensure};
use platform::ui::CSRF_FIELD;
use reqwest::{
    Client, Method, Response, StatusCode,
    header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE},
};
use serde_json::Value;
use url::Url;

use super::site::Visitor;
use crate::support::http;

/// More redirects than any login has.
const MOST_REDIRECTS: usize = 10;

/// Carries cookies of every server of this machine, `Secure` ones too, as Chromium does on localhost.
#[derive(Debug)]
pub(crate) struct Browser {
    http: Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// Where following redirects came to an end.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

impl Page {
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("no JSON: {}", self.body))
    }
}

impl Browser {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            http: http::client()?,
            cookies: Mutex::default(),
        })
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().expect("no panic").get(name).cloned()
    }

    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().expect("no panic");
        cookies.insert(name.to_owned(), value.to_owned());
    }

    /// One request, with the cookies and these headers, and no redirect followed.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&'static str, &str)],
        form: &[(&str, &str)],
    ) -> Result<Response> {
        let cookies = {
            let cookies = self.cookies.lock().expect("no panic");
            let pairs: Vec<_> = cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            pairs.join("; ")
        };
        let mut request = self
            .http
            .request(method.clone(), url)
            .header(COOKIE, cookies);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if method == Method::POST {
            request = request.form(form);
        }
        let response = request.send().await?;
        self.keep_cookies(response.headers())?;
        Ok(response)
    }

    fn keep_cookies(&self, headers: &HeaderMap) -> Result<()> {
        let mut cookies = self.cookies.lock().expect("no panic");
        for cookie in headers.get_all(SET_COOKIE) {
            let text = cookie.to_str()?;
            let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
            let (name, value) = pair.split_once('=').context("a cookie has a name")?;
            if attributes.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(())
    }

    pub(crate) async fn get(&self, url: &str) -> Result<Response> {
        self.send(Method::GET, url, &[], &[]).await
    }

    /// Posts a form of a page of the session whose token is `csrf`.
    pub(crate) async fn post(&self, url: &str, csrf: &str) -> Result<Response> {
        self.send(Method::POST, url, &[], &[(CSRF_FIELD, csrf)])
            .await
    }

    /// Follows redirects from `url` on.
    pub(crate) async fn follow(&self, url: &str) -> Result<Page> {
        let response = self.get(url).await?;
        self.follow_from(response).await
    }

    /// Follows the redirects that begin with `response`.
    pub(crate) async fn follow_from(&self, mut response: Response) -> Result<Page> {
        for _ in 0..MOST_REDIRECTS {
            let Some(location) = location(&response)? else {
                return Ok(Page {
                    url: response.url().clone(),
                    status: response.status(),
                    body: response.text().await?,
                });
            };
            response = self.get(location.as_str()).await?;
        }
        anyhow::bail!("the redirects do not end")
    }

    /// Fills Keycloak's form in and sends it; the answer leads back to the service.
    pub(crate) async fn submit_password(&self, form: &Page, visitor: &Visitor) -> Result<Response> {
        let (_, rest) = form
            .body
            .split_once("action=\"")
            .with_context(|| format!("no form at {}: {}", form.url, form.body))?;
        let (action, _) = rest.split_once('"').context("the form has an address")?;
        let fields = [
            ("username", visitor.username.as_str()),
            ("password", visitor.password.as_str()),
        ];
        let response = self
            .send(Method::POST, &action.replace("&amp;", "&"), &[], &fields)
            .await?;
        ensure!(
            response.status() == StatusCode::FOUND,
            "Keycloak refused the password: {}",
            response.status()
        );
        Ok(response)
    }

    /// Asks for `url` without a session, logs in, and arrives.
    pub(crate) async fn log_in_at(&self, url: &str, visitor: &Visitor) -> Result<Page> {
        let form = self.follow(url).await?;
        let back = self.submit_password(&form, visitor).await?;
        self.follow_from(back).await
    }
}

/// Where a redirect leads; none when the response is none.
pub(crate) fn location(response: &Response) -> Result<Option<Url>> {
    if !response.status().is_redirection() {
        return Ok(None);
    }
    let location = response
        .headers()
        .get(LOCATION)
        .context("a redirect leads somewhere")?;
    Ok(Some(response.url().join(location.to_str()?)?))
}
