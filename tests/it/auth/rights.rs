//! What a session allows: rights of the moment, forms of the own pages, answers for scripts.

use anyhow::{Context as _, Result};
use platform::ui::CSRF_FIELD;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::site::{Backchannel, Site};
use crate::support::browser::Browser;

async fn logged_in(site: &Site) -> Result<(Browser, String)> {
    let browser = Browser::new()?;
    let page = browser
        .log_in_at(&site.url("/tasks/who"), &site.visitor.login)
        .await?;
    let who = page.json()?;
    let csrf = who["csrf"]
        .as_str()
        .context("forms have a token")?
        .to_owned();
    Ok((browser, csrf))
}

#[tokio::test]
async fn somebody_new_comes_in_with_the_roles_of_their_token_until_the_cache_knows_them()
-> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let (browser, _) = logged_in(&site).await?;
    let who = browser.follow(&site.url("/tasks/who")).await?.json()?;
    assert_eq!(
        who["name"],
        json!(format!("Test {}", site.visitor.login.username))
    );
    assert_eq!(who["roles"], json!(["employee"]));
    assert_eq!(site.database.count("user_cache", "true").await?, 0);

    site.cache_visitor(&["employee", "manager"], true).await?;
    let who = browser.follow(&site.url("/tasks/who")).await?.json()?;
    assert_eq!(who["name"], "Cached Visitor");
    assert_eq!(who["roles"], json!(["manager", "employee"]));
    site.close().await
}

#[tokio::test]
async fn a_role_counts_from_the_request_after_it_was_given_or_taken() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let (browser, _) = logged_in(&site).await?;
    let earnings = site.url("/tasks/earnings");
    site.cache_visitor(&["employee"], true).await?;
    let refused = browser.follow(&earnings).await?;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused.body.contains("Only managers and administrators"),
        "{}",
        refused.body
    );

    site.cache_visitor(&["manager"], true).await?;
    assert_eq!(browser.follow(&earnings).await?.body, "plenty");
    site.cache_visitor(&["accountant"], true).await?;
    assert_eq!(
        browser.follow(&earnings).await?.status,
        StatusCode::FORBIDDEN
    );
    site.close().await
}

#[tokio::test]
async fn somebody_disabled_is_out_at_once_and_not_sent_in_circles() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let (browser, _) = logged_in(&site).await?;
    site.cache_visitor(&["employee"], false).await?;
    let page = browser.follow(&site.url("/tasks/who")).await?;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(
        page.body.contains("Your account is closed"),
        "{}",
        page.body
    );
    site.close().await
}

/// The name and the value of a request header.
type Header<'a> = (&'static str, &'a str);

#[tokio::test]
async fn a_form_counts_only_with_the_token_of_its_session_from_the_own_origin() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let (browser, csrf) = logged_in(&site).await?;
    let (_, foreign) = logged_in(&site).await?;
    let own = site.origin.clone();
    let cases: [(&str, &[Header<'_>], StatusCode); 7] = [
        (&csrf, &[], StatusCode::OK),
        (&csrf, &[("origin", &own)], StatusCode::OK),
        (
            &csrf,
            &[("origin", "http://evil.example")],
            StatusCode::FORBIDDEN,
        ),
        (
            &csrf,
            &[("sec-fetch-site", "cross-site")],
            StatusCode::FORBIDDEN,
        ),
        ("", &[("x-csrf-token", &csrf)], StatusCode::OK),
        ("", &[], StatusCode::FORBIDDEN),
        (&foreign, &[], StatusCode::FORBIDDEN),
    ];
    for (token, headers, expected) in cases {
        let form = [(CSRF_FIELD, token), ("say", "hello & goodbye")];
        let url = site.url("/tasks/say");
        let response = browser.send(Method::POST, &url, headers, &form).await?;
        assert_eq!(response.status(), expected, "{token} {headers:?}");
        if expected == StatusCode::OK {
            assert_eq!(response.text().await?, "hello & goodbye");
        }
    }
    site.close().await
}

#[tokio::test]
async fn scripts_are_told_and_not_redirected() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = Browser::new()?;
    let who = site.url("/tasks/who");
    let current = site.url("/tasks/mine?page=2");
    let htmx = [("hx-request", "true"), ("hx-current-url", current.as_str())];
    let response = browser.send(Method::GET, &who, &htmx, &[]).await?;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        response.headers()["hx-redirect"],
        "/tasks/login?return_to=%2Ftasks%2Fmine%3Fpage%3D2"
    );

    let json = [("accept", "application/json")];
    let response = browser.send(Method::GET, &who, &json, &[]).await?;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );

    let referer = [("referer", current.as_str())];
    let response = browser
        .send(Method::POST, &site.url("/tasks/say"), &referer, &[])
        .await?;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        response.headers()["location"],
        "/tasks/login?return_to=%2Ftasks%2Fmine%3Fpage%3D2"
    );
    site.close().await
}
