//! Logging in: to the issuer and back, once, in the browser that began it.

use axum::{
    extract::{Query, State},
    http::{HeaderMap, header},
    response::Response,
};
use chrono::TimeDelta;
use serde::Deserialize;

use super::{
    WebAuth,
    oidc::{LoginSecrets, OidcError},
    opaque::Opaque,
    return_to::ReturnTo,
    session::SessionError,
    store::{self, AttemptRow, NewAttempt},
    web::see_other,
};
use crate::ui::PageProblem;

/// How long a login may take.
const ATTEMPT: TimeDelta = TimeDelta::minutes(10);

/// Parameters of `GET /login`.
#[derive(Debug, Deserialize)]
pub(super) struct LoginQuery {
    return_to: Option<String>,
}

/// Parameters with which the issuer sends people back.
#[derive(Deserialize)]
pub(super) struct CallbackQuery {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    /// Who sends them back (RFC 9207).
    iss: Option<String>,
}

/// Why a login came to nothing.
#[derive(Debug, thiserror::Error)]
enum LoginError {
    /// Used up, too old, of another browser, or not begun here.
    #[error("there is no such login")]
    Unknown,
    #[error("the identity provider ended the login: {0}")]
    Ended(String),
    #[error("another issuer sends the person back")]
    OtherIssuer,
    /// The issuer went away after the person had been there; the code counts once, so all begins anew.
    #[error("the identity provider cannot be asked who came back")]
    Interrupted {
        return_to: ReturnTo,
        #[source]
        cause: OidcError,
    },
    #[error(transparent)]
    Oidc(#[from] OidcError),
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// `GET /login`: remembers the login and sends the browser to the issuer.
pub(super) async fn begin(
    State(web): State<WebAuth>,
    headers: HeaderMap,
    Query(query): Query<LoginQuery>,
) -> Response {
    let return_to = ReturnTo::new(web.base(), query.return_to.as_deref());
    if let Err(wait) = web.login_limit().take() {
        return web.plain_page(PageProblem::too_many_requests(wait), &headers);
    }
    let state = Opaque::new(web.sources());
    let request = match web.sessions().oidc.begin(state.text()).await {
        Ok(request) => request,
        Err(error) => {
            tracing::warn!(%error, "nobody can log in");
            return web.plain_page(PageProblem::sign_in_unavailable(), &headers);
        }
    };
    // Logins begun in several tabs share the browser's cookie.
    let browser = web
        .cookies()
        .login(&headers)
        .unwrap_or_else(|| Opaque::new(web.sources()));
    let kept = remember(&web, &state, &browser, &request.secrets, &return_to).await;
    if let Err(error) = kept {
        tracing::error!(%error, "a login cannot be remembered");
        return web.unavailable(&headers);
    }
    let mut response = see_other(request.url.as_str());
    if let Some(cookie) = web.cookies().set_login(&browser) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

async fn remember(
    web: &WebAuth,
    state: &Opaque,
    browser: &Opaque,
    secrets: &LoginSecrets,
    return_to: &ReturnTo,
) -> Result<(), SessionError> {
    let sessions = web.sessions();
    let state_hash = state.hash();
    let attempt = NewAttempt {
        secrets: sessions
            .seal
            .seal(&state_hash, &serde_json::to_string(secrets)?)?,
        browser_hash: browser.hash(),
        return_to: return_to.as_str().to_owned(),
        expires_at: web.sources().now() + ATTEMPT,
        state_hash,
    };
    Ok(store::insert_attempt(&sessions.db, attempt).await?)
}

/// `GET /callback`: the issuer sends the browser back; a session begins.
pub(super) async fn finish(
    State(web): State<WebAuth>,
    headers: HeaderMap,
    Query(query): Query<CallbackQuery>,
) -> Response {
    match exchange(&web, &headers, query).await {
        Ok((session, return_to)) => {
            let mut response = see_other(return_to.as_str());
            if let Some(cookie) = web.cookies().set_session(&session) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(error) => answer(&web, &headers, &error),
    }
}

async fn exchange(
    web: &WebAuth,
    headers: &HeaderMap,
    query: CallbackQuery,
) -> Result<(Opaque, ReturnTo), LoginError> {
    let sessions = web.sessions();
    let state = query.state.as_deref().and_then(Opaque::parse);
    let browser = web.cookies().login(headers);
    let (state, browser) = state.zip(browser).ok_or(LoginError::Unknown)?;
    let taken = store::take_attempt(
        &sessions.db,
        state.hash(),
        browser.hash(),
        web.sources().now(),
    )
    .await
    .map_err(SessionError::from)?;
    let AttemptRow { secrets, return_to } = taken.ok_or(LoginError::Unknown)?;
    if query
        .iss
        .is_some_and(|iss| iss != sessions.oidc.issuer().url())
    {
        return Err(LoginError::OtherIssuer);
    }
    if let Some(error) = query.error {
        return Err(LoginError::Ended(error));
    }
    let code = query.code.ok_or(LoginError::Unknown)?;
    let opened = sessions
        .seal
        .open(&state.hash(), &secrets)
        .map_err(SessionError::from)?;
    let secrets = serde_json::from_str(&opened).map_err(SessionError::from)?;
    let return_to = ReturnTo::new(web.base(), Some(&return_to));
    let login = match sessions.oidc.finish(code, secrets).await {
        Err(cause @ (OidcError::Unavailable(_) | OidcError::Unknown(_))) => {
            return Err(LoginError::Interrupted { return_to, cause });
        }
        finished => finished?,
    };
    if let Some(previous) = web.cookies().session(headers) {
        sessions.end(&previous).await.map_err(SessionError::from)?;
    }
    let session = sessions.begin(login).await?;
    Ok((session, return_to))
}

fn answer(web: &WebAuth, headers: &HeaderMap, error: &LoginError) -> Response {
    match error {
        LoginError::Unknown | LoginError::Ended(_) | LoginError::Oidc(OidcError::GrantOver) => {
            tracing::info!(%error, "a login came to nothing");
            web.plain_page(PageProblem::sign_in_expired(), headers)
        }
        LoginError::Interrupted { return_to, .. } => {
            let cause: &(dyn std::error::Error + 'static) = error;
            tracing::warn!(cause, "nobody can log in");
            let again = web.login_path(return_to);
            web.plain_page(
                PageProblem::sign_in_unavailable().trying_again_at(again),
                headers,
            )
        }
        LoginError::Session(SessionError::Database(_)) => {
            tracing::error!(%error, "a login cannot be finished");
            web.unavailable(headers)
        }
        LoginError::OtherIssuer | LoginError::Oidc(_) | LoginError::Session(_) => {
            let cause: &(dyn std::error::Error + 'static) = error;
            tracing::error!(cause, "a login was refused");
            web.plain_page(PageProblem::sign_in_expired(), headers)
        }
    }
}
