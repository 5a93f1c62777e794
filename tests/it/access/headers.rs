//! The headers of DESIGN.md section 9 on every answer: each route, each error, each page that a link leads to.

use std::collections::{BTreeSet, VecDeque};

use anyhow::{Context as _, Result};
use platform::ui::html_check;
use reqwest::{Method, Response, header::HeaderMap};

use super::{
    machines::Machines,
    pages::{self, fields},
    stage::{ACCOUNTANT, ADMINISTRATOR, MANAGER, STRANGER, Stage, State, Visitor, public},
};
use crate::support::{environment::environment, http, tasks::Board};

/// Pages that one person may reach before the crawl is cut short.
const MOST_PAGES: usize = 150;

/// All values of one name; empty when there is none.
fn value(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).into_iter();
    let values: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
    values.join(" and ")
}

/// What is wrong with the headers of an answer of a service.
fn faults(answer: &Response) -> Vec<String> {
    let headers = answer.headers();
    let login = environment().keycloak_url.as_str();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; \
         connect-src 'self'; form-action 'self' {login}; base-uri 'none'; frame-ancestors 'none'"
    );
    let mut found = faults_of_any(headers, &policy);
    for name in ["server", "x-powered-by"] {
        if headers.contains_key(name) {
            found.push(format!("{name}: {}", value(headers, name)));
        }
    }
    let is_asset = answer.url().path().contains("/assets/");
    let caching = value(headers, "cache-control");
    if caching != "no-store" && !(is_asset && caching.starts_with("public")) {
        found.push(format!("cache-control: {caching}"));
    }
    if value(headers, "x-request-id").is_empty() {
        found.push("no x-request-id".to_owned());
    }
    for cookie in headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap_or("");
        if !cookie.contains("; Path=/;") || !cookie.contains("; HttpOnly; SameSite=Lax") {
            found.push(format!("set-cookie: {cookie}"));
        }
    }
    found
}

/// What is wrong with headers that everything for people has.
fn faults_of_any(headers: &HeaderMap, policy: &str) -> Vec<String> {
    let expected = [
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=()",
        ),
        ("strict-transport-security", ""),
    ];
    expected
        .into_iter()
        .map(|(name, wanted)| (name, wanted, value(headers, name)))
        .filter(|(_, wanted, found)| found != wanted)
        .map(|(name, _, found)| format!("{name}: {found}"))
        .collect()
}

async fn check(
    visitor: &Visitor,
    method: &Method,
    path: &str,
    form: &[(&str, &str)],
) -> Result<()> {
    let answer = visitor.send(method, path, form).await?;
    let found = faults(&answer);
    assert!(found.is_empty(), "{method} {path}: {found:?}");
    if answer.status().is_client_error() || answer.status().is_server_error() {
        let kind = value(answer.headers(), "content-type");
        let body = answer.text().await?;
        assert!(
            kind.starts_with("text/html"),
            "{method} {path}: {kind} {body}"
        );
        let found = html_check::findings(&body);
        assert!(found.is_empty(), "{method} {path}: {found:?}");
    }
    Ok(())
}

#[tokio::test]
async fn every_answer_of_every_route_has_the_headers_and_every_error_is_a_page() -> Result<()> {
    let stage = Stage::open().await?;
    let visitors = [
        stage.anonymous()?,
        stage.log_in(STRANGER).await?,
        stage.log_in(ADMINISTRATOR).await?,
    ];
    for visitor in visitors {
        let task = stage.task(State::Open).await?;
        for line in pages::all() {
            let path = line.path_to(&task);
            check(&visitor, &line.method, &path, fields(line.path)).await?;
            check(&visitor, &Method::DELETE, &path, &[]).await?;
        }
        for nowhere in [
            "/tasks/nothing/here",
            "/finance/nothing",
            "/tasks/T-0",
            "/tasks/assets/1/none",
        ] {
            check(&visitor, &Method::GET, nowhere, &[]).await?;
        }
        let much = "x".repeat(300_000);
        check(&visitor, &Method::POST, "/tasks", &[("description", &much)]).await?;
    }
    stage.close().await
}

#[tokio::test]
async fn no_answer_to_a_machine_is_kept_or_guessed_at() -> Result<()> {
    let machines = Machines::start().await?;
    for route in machines.routes()? {
        let mut answers = vec![route.request().send().await?, route.ask("e30.e30.").await?];
        if route.scope().is_some() {
            answers.push(route.ask(&machines.token_for(&route).await?).await?);
        }
        for answer in answers {
            let (name, headers) = (route.name(), answer.headers());
            assert_eq!(
                value(headers, "x-content-type-options"),
                "nosniff",
                "{name}"
            );
            assert_eq!(value(headers, "cache-control"), "no-store", "{name}");
            assert_eq!(value(headers, "server"), "", "{name}");
            assert!(!value(headers, "x-request-id").is_empty(), "{name}");
        }
    }
    machines.close().await
}

/// The addresses of this origin that a page links to.
fn links(page: &str) -> Vec<String> {
    let links = page.split("href=\"").skip(1);
    links
        .filter_map(|rest| rest.split_once('"'))
        .map(|(link, _)| link.replace("&amp;", "&"))
        .filter(|link| link.starts_with('/'))
        .map(|link| {
            link.split_once('#')
                .map_or(link.clone(), |(path, _)| path.to_owned())
        })
        .filter(|link| !link.contains("/login"))
        .collect()
}

/// Follows every link, beginning with the start pages of both services.
async fn crawl(visitor: &Visitor) -> Result<usize> {
    let mut open = VecDeque::from(["/tasks".to_owned(), "/finance/me".to_owned()]);
    let mut met: BTreeSet<String> = open.iter().cloned().collect();
    let mut pages = 0;
    while let Some(path) = open.pop_front() {
        let answer = visitor.send(&Method::GET, &path, &[]).await?;
        let found = faults(&answer);
        assert!(found.is_empty(), "{path}: {found:?}");
        let status = answer.status();
        assert!(
            status.is_success() || status.is_redirection(),
            "{path}: {status}"
        );
        let mut next = Vec::new();
        if let Some(location) = answer.headers().get("location") {
            next.push(location.to_str()?.to_owned());
        } else if value(answer.headers(), "content-type").starts_with("text/html") {
            let page = answer.text().await?;
            let found = html_check::findings(&page);
            assert!(found.is_empty(), "{path}: {found:?}");
            next = links(&page);
            pages += 1;
        }
        let new = next.into_iter().filter(|link| met.insert(link.clone()));
        open.extend(new.collect::<Vec<_>>());
        anyhow::ensure!(pages < MOST_PAGES, "the links do not end: {met:?}");
    }
    Ok(pages)
}

#[tokio::test]
async fn every_link_leads_each_role_to_a_page_in_order() -> Result<()> {
    let stage = Stage::open().await?;
    for state in [State::Open, State::Completed, State::Cancelled] {
        stage.task(state).await?;
    }
    for person in [STRANGER, ACCOUNTANT, MANAGER, ADMINISTRATOR] {
        let pages = crawl(&stage.log_in(person).await?).await?;
        assert!(pages >= 6, "{person:?} found {pages} pages");
    }
    stage.close().await
}

#[tokio::test]
async fn over_https_browsers_are_held_to_it_and_cookies_to_the_host() -> Result<()> {
    let board = Board::start_in_realm(|config| {
        config.pages.origin = "https://exchange.example".parse().expect("an address");
    })
    .await?;
    let url = format!("http://{}/tasks/login", board.listeners.pages.address);
    let answer = http::client()?.get(url).send().await?;
    let headers = answer.headers();
    assert_eq!(
        value(headers, "strict-transport-security"),
        "max-age=31536000; includeSubDomains"
    );
    let cookie = headers
        .get("set-cookie")
        .context("a login sets a cookie")?
        .to_str()?;
    assert!(cookie.starts_with("__Host-tasks_login="), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"),
        "{cookie}"
    );
    board.remove().await
}

/// What is wrong with the headers of an answer of nginx.
pub(super) fn faults_of_front_door(headers: &HeaderMap) -> Vec<String> {
    let policy = "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
    let mut found = faults_of_any(headers, policy);
    if value(headers, "cache-control") != "no-store" {
        found.push("may be kept".to_owned());
    }
    found
}

#[tokio::test]
async fn what_the_front_door_answers_itself_has_the_headers_too() -> Result<()> {
    let client = http::client()?;
    let too_large = client.post(public("/tasks")).body("x".repeat(300_000));
    let too_long = client.get(public(&format!("/tasks?{}", "x".repeat(20_000))));
    for (request, status) in [
        (client.get(public("/")), 302),
        (client.get(public("/nginx-health")), 200),
        (client.get(public("/nowhere")), 404),
        (client.get(public("/own/nothing")), 404),
        (too_large, 413),
        (too_long, 414),
    ] {
        let answer = request.send().await?;
        assert_eq!(answer.status(), status, "{}", answer.url());
        let found = faults_of_front_door(answer.headers());
        assert!(found.is_empty(), "{}: {found:?}", answer.url());
    }
    Ok(())
}
