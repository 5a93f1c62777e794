//! How a router is served: request ids, one log line per request, limits, headers, health.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde::Deserialize;
use tokio::{net::TcpListener, time::Instant};
use tower_http::{catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer};
use tracing::Instrument;

use crate::{
    lifecycle::Lifecycle,
    metrics,
    problem::Problem,
    routes::Routes,
    sources::Sources,
    trace::{TRACEPARENT, TraceContext},
};

/// The largest body of a request, in bytes; a description of 10,000 characters fits in any script.
const MAX_BODY: usize = 256 * 1024;

/// The header that carries the id of a request.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Sections `[pages]` and `[api]`: where a router listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
}

/// The id of the current request, in its extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Adds what every router of a service has: id, log line, panic guard, body limit, described errors.
pub fn with_defaults(routes: Routes, sources: Sources) -> Routes {
    routes
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(middleware::map_response(describe))
        .layer(middleware::from_fn_with_state(sources, observe))
}

/// Gives every error a body that says what it is, and keeps caches and guesses away from every answer.
async fn describe(response: Response) -> Response {
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    let mut response = if is_error && !is_described(response.headers()) {
        let (mut parts, _unread) = response.into_parts();
        let (problem, body) = Problem::of_status(parts.status)
            .into_response()
            .into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.extend(problem.headers);
        Response::from_parts(parts, body)
    } else {
        response
    };
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

fn is_described(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| {
        kind.starts_with(b"text/html") || kind.starts_with(b"application/problem+json")
    })
}

fn answer_panic(_panic: Box<dyn std::any::Any + Send>) -> Response {
    Problem::internal().into_response()
}

/// Gives the request an id and its place in a trace, counts it, and writes one log line when it is
/// answered.
async fn observe(State(sources): State<Sources>, mut request: Request, next: Next) -> Response {
    let id = sources.new_id().to_string();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let parent = request.headers().get(TRACEPARENT);
    let trace = TraceContext::continuing(parent.and_then(|value| value.to_str().ok()), &sources);
    let span = tracing::info_span!(
        "http.request",
        method = %request.method(),
        route,
        request.id = id,
        trace_id = trace.trace_id(),
    );
    request.extensions_mut().insert(RequestId(id.clone()));
    let began = Instant::now();
    let answering = trace.scope(next.run(request));
    let mut response = answering.instrument(span.clone()).await;
    let took = began.elapsed();
    let status = response.status();
    count(route, status, took);
    let micros = took.as_micros();
    let _entered = span.enter();
    if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
        tracing::error!(status = status.as_u16(), micros, "answered");
    } else {
        tracing::info!(status = status.as_u16(), micros, "answered");
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Routes are the patterns of the router, so their number is known.
fn count(route: String, status: StatusCode, took: Duration) {
    let class = match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    let requests = ::metrics::counter!("task_exchange_http_requests_total", "route" => route.clone(), "status" => class);
    requests.increment(1);
    ::metrics::histogram!("task_exchange_http_request_seconds", "route" => route).record(took);
}

/// Routes for the platform that runs the process: `/health/live`, `/health/ready` and `/metrics`.
///
/// Ready means that the own database answers, and nothing else: were peers or the broker part of it,
/// one outage would take every replica out although people could work on.
pub fn process_routes(db: DatabaseConnection) -> Routes {
    Routes::new()
        .route("/health/live", get(|| async { "live" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics::scrape))
        .with_state(db)
}

async fn ready(State(db): State<DatabaseConnection>) -> Response {
    match db.execute_unprepared("SELECT 1").await {
        Ok(_) => "ready".into_response(),
        Err(error) => {
            tracing::warn!(%error, "the database does not answer");
            Problem::unavailable(Duration::from_secs(2)).into_response()
        }
    }
}

/// Opens a listener.
///
/// # Errors
/// When the address is taken or not of this machine.
pub async fn bind(config: &ListenConfig) -> std::io::Result<TcpListener> {
    TcpListener::bind(config.listen).await
}

/// What answers at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Where.
    pub address: SocketAddr,
    /// The paths of the routes.
    pub paths: BTreeSet<String>,
}

/// Serves `routes` until the process stops; requests under way are finished.
///
/// # Errors
/// When the listener has lost its address.
pub fn serve(
    lifecycle: &Lifecycle,
    name: &'static str,
    listener: TcpListener,
    routes: Routes,
) -> std::io::Result<Served> {
    let served = Served {
        address: listener.local_addr()?,
        paths: routes.paths().clone(),
    };
    let router = routes.into_router();
    let stopping = lifecycle.stopping();
    lifecycle.spawn(name, async move {
        let served = axum::serve(
            listener,
            router.into_make_service_with_connect_info::<SocketAddr>(),
        )
        .with_graceful_shutdown(stopping.cancelled_owned())
        .await;
        if let Err(error) = served {
            tracing::error!(%error, name, "the listener failed");
        }
    });
    Ok(served)
}
