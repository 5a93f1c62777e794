//! What pages need for people: who is asking, how to log in and out, and what to show when that fails.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::OriginalUri,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use sea_orm::DatabaseConnection;
use url::Url;

use super::{
    Forbidden, Issuer, LoginConfig, Principal, SessionConfig, Verifier,
    cookie::{Cookies, InsecureOrigin},
    login, logout,
    oidc::Oidc,
    person::Standing,
    return_to::ReturnTo,
    seal::{Seal, SessionKeyError},
    session::Sessions,
};
use crate::{
    lifecycle::Lifecycle,
    problem::{Problem, wants_json},
    rate_limit::RateLimit,
    routes::Routes,
    sources::Sources,
    ui::{Frame, PageProblem, Shell, Site, Visit},
};

/// Logins that this process begins in a second; each is a row until it is finished or too late.
const LOGINS_PER_SECOND: std::num::NonZeroU32 = std::num::NonZeroU32::new(100).unwrap();

const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");
const HX_CURRENT_URL: HeaderName = HeaderName::from_static("hx-current-url");

/// Settings with which nobody could log in.
#[derive(Debug, thiserror::Error)]
pub enum WebAuthError {
    /// `[session] key`.
    #[error(transparent)]
    SessionKey(#[from] SessionKeyError),
    /// `[pages] origin`.
    #[error(transparent)]
    Origin(#[from] InsecureOrigin),
    /// `[pages] origin`.
    #[error("the origin of the pages cannot carry paths")]
    Paths(#[from] url::ParseError),
}

/// What the login of a service is made of.
#[derive(Debug)]
pub struct WebAuthDeps<'a> {
    /// The pages that people log in for.
    pub site: Site,
    /// `[pages] origin`: where people see them.
    pub origin: &'a Url,
    /// Who vouches for people.
    pub issuer: Issuer,
    /// `[login]`.
    pub login: &'a LoginConfig,
    /// `[session]`.
    pub session: &'a SessionConfig,
    /// The service's own database.
    pub db: DatabaseConnection,
    /// Time and randomness.
    pub sources: Sources,
    /// Runs checks of sessions beside requests.
    pub lifecycle: Lifecycle,
}

/// The login of one service; part of the state of its page router. Clones share everything.
#[derive(Debug, Clone)]
pub struct WebAuth {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    site: Site,
    origin: Url,
    cookies: Cookies,
    sessions: Sessions,
    verifier: Verifier,
    login_limit: RateLimit,
}

impl WebAuth {
    /// Puts the login together; nobody is asked yet.
    ///
    /// # Errors
    /// [`WebAuthError`] names the setting that cannot be used.
    pub fn try_new(deps: WebAuthDeps<'_>) -> Result<Self, WebAuthError> {
        let base = deps.site.base;
        let redirect = deps.origin.join(&format!("{base}/callback"))?;
        let cookies = Cookies::try_new(base.trim_matches('/'), deps.origin)?;
        let sessions = Sessions {
            db: deps.db,
            limits: deps.session.limits(),
            seal: Seal::try_new(&deps.session.key, deps.sources.clone())?,
            oidc: Oidc::new(
                deps.issuer.clone(),
                deps.login.clone(),
                redirect,
                deps.sources.clone(),
            ),
            sources: deps.sources.clone(),
            lifecycle: deps.lifecycle,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                site: deps.site,
                origin: deps.origin.clone(),
                cookies,
                sessions,
                verifier: Verifier::new(deps.issuer, deps.sources),
                login_limit: RateLimit::per_second(LOGINS_PER_SECOND),
            }),
        })
    }

    /// Removes sessions and logins whose time is over, every five minutes.
    pub fn spawn_housekeeping(&self, lifecycle: &Lifecycle) {
        let sessions = self.inner.sessions.clone();
        let stopping = lifecycle.stopping();
        lifecycle.spawn("session housekeeping", async move {
            stopping.run_until_cancelled(sessions.keep_tidy()).await;
        });
    }

    /// The page for somebody who may not do what they asked for.
    #[must_use]
    pub fn forbidden(
        &self,
        principal: &Principal,
        forbidden: Forbidden,
        headers: &HeaderMap,
    ) -> Response {
        let who = forbidden.who();
        tracing::info!(user.id = %principal.user_id(), roles = ?forbidden.allowed, "another role is needed");
        if wants_json(headers) {
            return Problem::forbidden(who).into_response();
        }
        let visit = Visit::from_headers(headers);
        let now = self.sources().now();
        let shell = Shell::new(&self.inner.site, visit, principal.viewer(), now);
        PageProblem::forbidden(who).within(shell).into_response()
    }

    pub(super) fn base(&self) -> &'static str {
        self.inner.site.base
    }

    pub(super) fn origin(&self) -> &Url {
        &self.inner.origin
    }

    pub(super) fn cookies(&self) -> &Cookies {
        &self.inner.cookies
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    pub(super) fn sources(&self) -> &Sources {
        &self.inner.sessions.sources
    }

    pub(super) fn verifier(&self) -> &Verifier {
        &self.inner.verifier
    }

    pub(super) fn login_limit(&self) -> &RateLimit {
        &self.inner.login_limit
    }

    /// A page for somebody who is not logged in, or of whom nothing can be known now.
    pub(super) fn plain_page(&self, problem: PageProblem, headers: &HeaderMap) -> Response {
        let frame = Frame::new(self.base(), Visit::from_headers(headers).theme);
        problem.plain(frame, self.base()).into_response()
    }

    /// Who is behind a request, or the answer that leads on.
    pub(super) async fn principal(&self, parts: &Parts) -> Result<Principal, Response> {
        let Some(id) = self.cookies().session(&parts.headers) else {
            return Err(self.ask_to_log_in(parts));
        };
        match self.sessions().find(&id).await {
            Ok(Some(Standing::Open(person))) => Ok(Principal::new(person, &id)),
            Ok(Some(Standing::Closed)) => Err(self.turn_away(parts)),
            Ok(None) => Err(self.ask_to_log_in(parts)),
            Err(error) => {
                tracing::error!(%error, "a session cannot be looked up");
                Err(self.unavailable(&parts.headers))
            }
        }
    }

    /// The page while the service's own database does not answer.
    pub(super) fn unavailable(&self, headers: &HeaderMap) -> Response {
        if wants_json(headers) {
            return Problem::unavailable(Duration::from_secs(5)).into_response();
        }
        self.plain_page(PageProblem::unavailable(), headers)
    }

    /// The issuer may not know yet that the account is closed, so a new login would lead in a circle.
    fn turn_away(&self, parts: &Parts) -> Response {
        tracing::info!("somebody whose account is closed was turned away");
        if wants_json(&parts.headers) {
            return Problem::forbidden("The account is closed.").into_response();
        }
        self.plain_page(PageProblem::account_closed(), &parts.headers)
    }

    fn ask_to_log_in(&self, parts: &Parts) -> Response {
        let headers = &parts.headers;
        if wants_json(headers) {
            return Problem::new(StatusCode::UNAUTHORIZED, "Log in first.").into_response();
        }
        if headers.contains_key(HX_REQUEST) {
            let back = self.back_to_address(headers, &HX_CURRENT_URL);
            let mut response = StatusCode::UNAUTHORIZED.into_response();
            if let Ok(login) = HeaderValue::try_from(self.login_path(&back)) {
                response.headers_mut().insert(HX_REDIRECT, login);
            }
            return response;
        }
        let back = if parts.method == Method::GET {
            ReturnTo::new(self.base(), path_of(parts).as_deref())
        } else {
            self.back_to_address(headers, &header::REFERER)
        };
        see_other(&self.login_path(&back))
    }

    fn back_to_address(&self, headers: &HeaderMap, name: &HeaderName) -> ReturnTo {
        let address = headers.get(name).and_then(|value| value.to_str().ok());
        ReturnTo::from_address(self.base(), self.origin(), address)
    }

    /// Where a login begins that leads back to `back`.
    pub(super) fn login_path(&self, back: &ReturnTo) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", back.as_str())
            .finish();
        format!("{}/login?{query}", self.base())
    }
}

/// Where the request went before routers took prefixes off.
fn path_of(parts: &Parts) -> Option<String> {
    let uri = parts
        .extensions
        .get::<OriginalUri>()
        .map_or(&parts.uri, |original| &original.0);
    uri.path_and_query().map(ToString::to_string)
}

/// Leads on with a GET.
pub(super) fn see_other(location: &str) -> Response {
    match HeaderValue::try_from(location) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(error) => {
            tracing::error!(%error, "an address does not fit into a header");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The routes below the base of a service: `/login`, `/callback`, `/logout`, `/backchannel-logout`.
pub fn router(web: WebAuth) -> Routes {
    Routes::new()
        .route("/login", get(login::begin))
        .route("/callback", get(login::finish))
        .route("/logout", post(logout::by_person))
        .route("/backchannel-logout", post(logout::by_issuer))
        .with_state(web)
}
