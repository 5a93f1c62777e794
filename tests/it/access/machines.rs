//! The routes for machines: which scope opens which, and that no other token opens any.

use std::{num::NonZeroU32, sync::Arc};

use anyhow::Result;
use auth_bridge::api::{self, ApiState};
use chrono::{DateTime, Utc};
use migrations::Database;
use platform::{
    auth::{IdentityConfig, Issuer, MachineAuth},
    config::Secret,
    http::{self, Served},
    lifecycle::Lifecycle,
    sources::{ManualClock, Sources},
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use sea_orm::DatabaseConnection;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    stage::public,
    table::{Line, lines, must_cover},
};
use crate::support::{
    builders::{id, in_realm},
    database::TestDatabase,
    finance::Finance,
    http as test_http,
    keycloak::{self, machine_token, person_token},
    tasks::Board,
};

/// What tasks-service answers machines. `-` needs no token; `client` is one that may ask for the scope, and
/// `answer` what it gets with it. Nobody is known, nothing is stuck.
const TASKS: &str = "
    method path               scope         client      answer
    GET    /tasks             tasks:read    finance-m2m 200
    POST   /tasks/batch-get   tasks:read    finance-m2m 200
    GET    /tasks/{uuid}      tasks:read    finance-m2m 404
    GET    /messages/sent     messages:read finance-m2m 200
    GET    /messages/sent/ids messages:read finance-m2m 200
    GET    /health/live       -             -           200
    GET    /health/ready      -             -           200
    GET    /metrics           -             -           200
";

const FINANCE: &str = "
    method path               scope         client    answer
    GET    /messages/sent     messages:read tasks-m2m 200
    GET    /messages/sent/ids messages:read tasks-m2m 200
    GET    /health/live       -             -         200
    GET    /health/ready      -             -         200
    GET    /metrics           -             -         200
";

const AUTH: &str = "
    method path                            scope             client    answer
    GET    /users                          users:read        tasks-m2m 200
    POST   /users/batch-get                users:read        tasks-m2m 200
    GET    /users/{user_id}                users:read        tasks-m2m 404
    GET    /messages/sent                  messages:read     tasks-m2m 200
    GET    /messages/sent/ids              messages:read     tasks-m2m 200
    GET    /operations                     operations:manage tasks-m2m 200
    POST   /operations/reconcile           operations:manage tasks-m2m 204
    POST   /operations/accept-deletions    operations:manage tasks-m2m 409
    POST   /operations/outbox-dead/retry   operations:manage tasks-m2m 409
    POST   /operations/outbox-dead/discard operations:manage tasks-m2m 409
    GET    /health/live                    -                 -         200
    GET    /health/ready                   -                 -         200
    GET    /metrics                        -                 -         200
";

/// What a caller sends who means what it says.
fn body(path: &str) -> Value {
    match path {
        "/operations/reconcile" => json!({"asked_by": id()}),
        "/operations/accept-deletions" => {
            json!({"asked_by": id(), "reason": "they left", "missing": 1})
        }
        "/operations/outbox-dead/retry" | "/operations/outbox-dead/discard" => {
            json!({"asked_by": id(), "reason": "nobody needs it", "positions": [1]})
        }
        _ => json!({"ids": [id()]}),
    }
}

/// What is asked for below that path.
fn query(path: &str) -> &'static str {
    match path {
        "/messages/sent" => "?from=2026-11-20T09:00:00Z&until=2026-11-20T10:00:00Z",
        "/messages/sent/ids" => "?hour=2026-11-20T09:00:00Z&routing_key=tasks.task.changed",
        _ => "",
    }
}

/// The listeners for machines of all services, in the test's own process, by the realm's keys.
pub(super) struct Machines {
    board: Board,
    finance: Finance,
    auth: Bridge,
}

/// The bridge's listener, over a copy that knows nobody.
struct Bridge {
    database: TestDatabase,
    db: DatabaseConnection,
    clock: ManualClock,
    listener: Served,
    lifecycle: Lifecycle,
}

/// A line of a table, and who answers it.
pub(super) struct Route {
    pub(super) audience: &'static str,
    pub(super) line: Line,
    listener: Served,
    client: Client,
}

impl Machines {
    pub(super) async fn start() -> Result<Self> {
        Ok(Self {
            board: Board::start_in_realm(|_config| {}).await?,
            finance: Finance::start_in_realm().await?,
            auth: Bridge::start().await?,
        })
    }

    /// Every route for machines, with and without a scope.
    pub(super) fn routes(&self) -> Result<Vec<Route>> {
        let client = test_http::client()?;
        let of = |audience: &'static str, listener: &Served, table| {
            let (listener, client) = (listener.clone(), client.clone());
            lines(table).into_iter().map(move |line| Route {
                audience,
                line,
                listener: listener.clone(),
                client: client.clone(),
            })
        };
        Ok(of("tasks", &self.board.listeners.api, TASKS)
            .chain(of("finance", &self.finance.listeners().api, FINANCE))
            .chain(of("auth", &self.auth.listener, AUTH))
            .collect())
    }

    /// Only the routes that ask for a scope.
    pub(super) fn guarded(&self) -> Result<Vec<Route>> {
        let mut routes = self.routes()?;
        routes.retain(|route| route.scope().is_some());
        Ok(routes)
    }

    /// A token that opens `route` for some minutes: the clocks of all services show the realm's time.
    pub(super) async fn token_for(&self, route: &Route) -> Result<String> {
        self.set_clocks(in_realm());
        machine_token(route.line.cell("client"), route.scope().unwrap_or_default()).await
    }

    /// The clocks of all services show `time`.
    pub(super) fn set_clocks(&self, time: DateTime<Utc>) {
        for clock in [&self.board.clock, &self.finance.clock, &self.auth.clock] {
            clock.set(time);
        }
    }

    pub(super) async fn close(self) -> Result<()> {
        self.auth.close().await?;
        self.board.remove().await?;
        self.finance.remove().await
    }
}

impl Route {
    pub(super) fn scope(&self) -> Option<&'static str> {
        Some(self.line.cell("scope")).filter(|scope| *scope != "-")
    }

    /// A request that would be answered if it came with the right token.
    pub(super) fn request(&self) -> RequestBuilder {
        self.request_to(query(self.line.path))
    }

    pub(super) fn request_to(&self, query: &str) -> RequestBuilder {
        let path = self.line.path_to(&id().to_string());
        let url = format!("http://{}{path}{query}", self.listener.address);
        let request = self.client.request(self.line.method.clone(), url);
        if self.line.method == Method::POST {
            request.json(&body(self.line.path))
        } else {
            request
        }
    }

    pub(super) fn name(&self) -> String {
        format!(
            "{} {} of {}",
            self.line.method, self.line.path, self.audience
        )
    }

    pub(super) async fn ask(&self, token: &str) -> Result<Response> {
        Ok(self.request().bearer_auth(token).send().await?)
    }

    /// Demands the answer that the table says, to a request with `token` if the route asks for one.
    pub(super) async fn must_open(&self, what: &str, request: RequestBuilder) -> Result<()> {
        let status = request.send().await?.status();
        let answer = self.line.cell("answer");
        assert_eq!(status.as_str(), answer, "{what} at {}", self.name());
        Ok(())
    }
}

impl Bridge {
    async fn start() -> Result<Self> {
        let database = TestDatabase::create(Database::Auth).await?;
        let whole = "UPDATE sync_state SET reconciled_at = now(), as_of = now()";
        sqlx::query(whole).execute(&database.owned).await?;
        let db = database.connect().await?;
        let clock = ManualClock::new(in_realm());
        let sources = Sources::system().with_clock(Arc::new(clock.clone()));
        let config = IdentityConfig {
            issuer: keycloak::issuer(),
            audience: "auth".to_owned(),
            machine_client_id: "auth-bridge".to_owned(),
            machine_client_secret: Secret::new("not used here"),
        };
        let many = NonZeroU32::new(1_000).expect("a thousand is not zero");
        let issuer = Issuer::try_new(&config, &sources)?;
        let state = ApiState {
            db: db.clone(),
            auth: MachineAuth::new(issuer, &config, sources.clone(), many),
            sources,
        };
        let lifecycle = Lifecycle::new();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        Ok(Self {
            listener: http::serve(&lifecycle, "bridge", listener, api::router(state))?,
            database,
            db,
            clock,
            lifecycle,
        })
    }

    async fn close(self) -> Result<()> {
        self.lifecycle.stop_and_wait().await;
        self.db.close().await?;
        self.database.remove().await
    }
}

#[tokio::test]
async fn every_route_for_machines_is_listed_with_its_scope() -> Result<()> {
    let machines = Machines::start().await?;
    must_cover(&machines.board.listeners.api, &lines(TASKS)).await?;
    must_cover(&machines.finance.listeners().api, &lines(FINANCE)).await?;
    must_cover(&machines.auth.listener, &lines(AUTH)).await?;
    machines.close().await
}

/// Everything that machines may be granted but one scope.
async fn all_but(scope: &str) -> Result<Vec<String>> {
    let mut tokens = Vec::new();
    for (client, scopes) in [
        ("finance-m2m", "tasks:read users:read messages:read"),
        ("tasks-m2m", "users:read messages:read operations:manage"),
    ] {
        let others: Vec<_> = scopes.split(' ').filter(|other| *other != scope).collect();
        tokens.push(machine_token(client, &others.join(" ")).await?);
    }
    Ok(tokens)
}

/// What a token of another scope is told: it is for this service at least, or for others only.
fn refusal(route: &Route, token: &str) -> Result<StatusCode> {
    let audience = keycloak::claims(token)?["aud"].to_string();
    Ok(if audience.contains(route.audience) {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::UNAUTHORIZED
    })
}

#[tokio::test]
async fn a_route_opens_to_its_scope_and_to_nothing_else() -> Result<()> {
    let machines = Machines::start().await?;
    let person = person_token("ann").await?;
    for route in machines.routes()? {
        let Some(scope) = route.scope() else {
            route.must_open("anybody", route.request()).await?;
            continue;
        };
        let token = machines.token_for(&route).await?;
        let request = route.request().bearer_auth(token);
        route.must_open("the right token", request).await?;
        let of_person = route.ask(&person).await?.status();
        assert_eq!(of_person, 403, "{}: a person", route.name());
        for token in all_but(scope).await? {
            let status = route.ask(&token).await?.status();
            assert_eq!(status, refusal(&route, &token)?, "{}", route.name());
        }
        let nothing = machine_token(route.line.cell("client"), "").await?;
        let status = route.ask(&nothing).await?.status();
        assert_eq!(status, 401, "{}: no scope", route.name());
    }
    machines.close().await
}

#[tokio::test]
async fn the_origin_of_people_has_no_door_for_machines() -> Result<()> {
    let client = test_http::client()?;
    for line in [TASKS, FINANCE, AUTH].into_iter().flat_map(lines) {
        let address = public(&line.path_to(&id().to_string()));
        let request = client.request(line.method.clone(), &address);
        let request = match line.cell("scope") {
            "-" => request,
            scope => request.bearer_auth(machine_token(line.cell("client"), scope).await?),
        };
        // A page of the same address asks for a login; a token is none.
        let status = request.send().await?.status().as_u16();
        let (method, is_closed) = (&line.method, [303, 404, 405].contains(&status));
        assert!(is_closed, "{method} {address}: {status}");
    }
    Ok(())
}
