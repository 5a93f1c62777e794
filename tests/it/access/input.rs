//! Hostile and malformed input on every route: refused by name, never a fault of ours.

use anyhow::Result;
use platform::ui::CSRF_FIELD;
use reqwest::{Method, RequestBuilder, header::CONTENT_TYPE};

use super::{
    machines::{Machines, Route},
    pages,
    stage::{ADMINISTRATOR, Stage, State, Visitor, public},
    table::Line,
};

const FORM: &str = "application/x-www-form-urlencoded";

/// Queries that no page makes.
const QUERIES: [&str; 14] = [
    "view=%00&q=%00",
    "q=%FF%FE%C0%AF",
    "q=%",
    "view=open&view=all&q=a&q=b",
    "performer=not-a-uuid&limit=x&after=x&day=x&before=x&page=x",
    "performer=&after=&limit=&day=&before=&page=",
    "limit=99999999999999999999999&page=-1&after=-1&before=-1",
    "limit=0&limit=-0",
    "day=0000-00-00&before=9999-99-99",
    "day=+262143-01-01&after=2026-01-01T00:00:00.999999999Z_x",
    "from=-262143-01-01T00:00:00Z&until=%2B262142-12-31T23:59:59Z",
    "hour=%2B262142-12-31T23:59:59Z&routing_key=%00",
    "q='%3B%20DROP%20TABLE%20task%3B--&order=%27",
    "return_to=%0d%0aSet-Cookie:%20a=b&state=%00&code=%00&error=%00",
];

/// What nothing is called.
const NAMES: [&str; 10] = [
    "T-0",
    "T-99999999999999999999999999",
    "T--1",
    "T-1%00",
    "%00",
    "%FF%FE",
    "..%2f..%2fetc%2fpasswd",
    "00000000-0000-0000-0000-00000000000g",
    "'%20OR%201=1",
    "{task}",
];

/// Bodies that no form makes; `TOKEN` stands for the form's token.
fn forms() -> Vec<(&'static str, String)> {
    let long = "x".repeat(20_000);
    let many = "&f=1".repeat(2_000);
    vec![
        ("empty", String::new()),
        ("only the token", "TOKEN".to_owned()),
        ("no fields", "TOKEN&&&=&=x".to_owned()),
        (
            "null characters",
            "TOKEN&title=a%00b&description=%00&reference=%00&performer=%00&pick=%00".to_owned(),
        ),
        (
            "no UTF-8",
            "TOKEN&title=%FF%FE&description=%C0%AF&reference=%ED%A0%80".to_owned(),
        ),
        ("half an escape", "TOKEN&title=%&description=%4".to_owned()),
        (
            "twice",
            "TOKEN&title=a&title=b&performer=x&performer=y&pick=chosen&pick=random".to_owned(),
        ),
        ("two tokens", "TOKEN&TOKEN&title=a".to_owned()),
        (
            "long fields",
            format!("TOKEN&title={long}&description={long}&reference={long}&back=//{long}"),
        ),
        ("many fields", format!("TOKEN{many}")),
        (
            "huge numbers",
            "TOKEN&title=a&seen=99999999999999999999&task=1e999&pick=random".to_owned(),
        ),
        (
            "extreme numbers",
            "TOKEN&title=a&seen=-9223372036854775808&pick=random".to_owned(),
        ),
        (
            "bad ids",
            "TOKEN&title=a&task=zzz&pick=chosen&performer=zzz".to_owned(),
        ),
        (
            "nil ids",
            "TOKEN&title=a&task=00000000-0000-0000-0000-000000000000&pick=chosen\
                     &performer=00000000-0000-0000-0000-000000000000"
                .to_owned(),
        ),
        (
            "control characters",
            "TOKEN&title=%0d%0a%1b%5b31m%e2%80%ae&reference=%0d%0aX:%20y&back=%0d%0aX:y".to_owned(),
        ),
        (
            "too large",
            format!("TOKEN&description={}", "x".repeat(300_000)),
        ),
    ]
}

/// Sends it and demands an answer that is no fault of ours; refusals say why.
async fn must_stand(what: &str, request: RequestBuilder) -> Result<()> {
    let answer = request.send().await?;
    let status = answer.status();
    assert!(!status.is_server_error(), "{what}: {status}");
    let kind = answer.headers().get(CONTENT_TYPE).cloned();
    let kind = kind
        .as_ref()
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("");
    let is_told = kind.starts_with("text/html") || kind.starts_with("application/problem+json");
    assert!(
        !status.is_client_error() || is_told,
        "{what}: {status} {kind}"
    );
    Ok(())
}

/// The administrator's browser, with a session even after a form of `line`, which may have ended it.
async fn logged_in(stage: &Stage, visitor: Visitor, line: &Line) -> Result<Visitor> {
    if !line.path.ends_with("/logout") {
        return Ok(visitor);
    }
    let board = visitor.send(&Method::GET, "/tasks/mine", &[]).await?;
    let account = visitor.send(&Method::GET, "/finance/me", &[]).await?;
    if board.status() == 200 && account.status() == 200 {
        return Ok(visitor);
    }
    stage.log_in(ADMINISTRATOR).await
}

/// Every body that must not break a form: what it is, its kind of content, and itself.
fn bodies() -> Vec<(&'static str, &'static str, String)> {
    let kinds = [
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
    ];
    let forms = forms().into_iter().map(|(what, body)| (what, FORM, body));
    let others = kinds.map(|kind| ("no form", kind, "{\"a\": [".to_owned()));
    forms.chain(others).collect()
}

#[tokio::test]
async fn no_form_of_a_page_breaks_on_any_body() -> Result<()> {
    let stage = Stage::open().await?;
    let mut visitor = stage.log_in(ADMINISTRATOR).await?;
    let mut forms = pages::all();
    forms.retain(|line| line.method == Method::POST);
    for line in forms {
        for (what, kind, body) in bodies() {
            let path = stage.path_to(&line, State::Open).await?;
            let token = format!("{CSRF_FIELD}={}", visitor.csrf_of(&path));
            let request = visitor.browser.request(Method::POST, &public(&path))?;
            let request = request.header(CONTENT_TYPE, kind);
            let request = request.body(body.replace("TOKEN", &token));
            must_stand(&format!("{what} as {kind:?} to {path}"), request).await?;
            visitor = logged_in(&stage, visitor, &line).await?;
        }
    }
    stage.close().await
}

/// Addresses that no page links to.
fn addresses(line: &Line, path: &str) -> Vec<String> {
    let long = format!("q={}", "x".repeat(30_000));
    let queries = QUERIES.into_iter().chain([long.as_str()]);
    let mut found: Vec<String> = queries.map(|query| format!("{path}?{query}")).collect();
    if line.path.contains('{') {
        found.extend(NAMES.map(|name| {
            let parts = line.path.split('/');
            let parts = parts.map(|part| if part.starts_with('{') { name } else { part });
            parts.collect::<Vec<_>>().join("/")
        }));
    }
    found
}

#[tokio::test]
async fn no_page_breaks_on_any_address() -> Result<()> {
    let stage = Stage::open().await?;
    let visitor = stage.log_in(ADMINISTRATOR).await?;
    for line in pages::all() {
        let path = stage.path_to(&line, State::Open).await?;
        for address in addresses(&line, &path) {
            let request = visitor
                .browser
                .request(line.method.clone(), &public(&address))?;
            must_stand(&address, request).await?;
        }
    }
    stage.close().await
}

/// Bodies that no caller of ours sends.
fn documents() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("nothing", Vec::new()),
        ("half", text("{\"ids\": [")),
        ("no object", text("[]")),
        ("null", text("null")),
        ("no ids", text("{}")),
        ("numbers", text("{\"ids\": [1, 1e999, -0]}")),
        ("bad ids", text("{\"ids\": [\"x\"]}")),
        ("twice", text("{\"ids\": [], \"ids\": []}")),
        ("null characters", text("{\"ids\": [\"\\u0000\"]}")),
        (
            "no UTF-8",
            vec![b'{', b'"', 0xff, 0xfe, b'"', b':', b'1', b'}'],
        ),
        (
            "deep",
            format!(
                "{{\"ids\": {}{}}}",
                "[".repeat(100_000),
                "]".repeat(100_000)
            )
            .into_bytes(),
        ),
        (
            "too large",
            format!("{{\"ids\": [\"{}\"]}}", "x".repeat(300_000)).into_bytes(),
        ),
    ]
}

/// Sends a document as a `kind` of content and demands a problem that is the caller's.
async fn must_refuse(
    route: &Route,
    token: &str,
    body: &[u8],
    (what, kind): (&str, &str),
) -> Result<()> {
    let request = route.request().bearer_auth(token);
    let request = request.header(CONTENT_TYPE, kind).body(body.to_vec());
    let answer = request.send().await?;
    let what = format!("{what} as {kind} to {}", route.name());
    let status = answer.status();
    assert!(status.is_client_error(), "{what}: {status}");
    let said = &answer.headers()[CONTENT_TYPE];
    assert_eq!(said, "application/problem+json", "{what}");
    Ok(())
}

#[tokio::test]
async fn no_route_for_machines_breaks_on_any_request() -> Result<()> {
    let machines = Machines::start().await?;
    for route in machines.routes()? {
        let token = match route.scope() {
            Some(_) => machines.token_for(&route).await?,
            None => String::new(),
        };
        for query in QUERIES {
            let request = route.request_to(&format!("?{query}")).bearer_auth(&token);
            must_stand(&format!("{query} to {}", route.name()), request).await?;
        }
        if route.line.method != Method::POST {
            continue;
        }
        for (what, body) in documents() {
            must_refuse(&route, &token, &body, (what, "application/json")).await?;
            must_refuse(&route, &token, &body, (what, "text/plain")).await?;
        }
    }
    machines.close().await
}
