//! Logging out: by the person, here and at the issuer, or by the issuer alone.

use axum::{
    extract::{Form, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{NoFields, ProtectedForm, TokenError, WebAuth, web::see_other};
use crate::problem::Problem;

/// `POST /logout`: ends the session, then leads to the issuer, which ends its own.
pub(super) async fn by_person(
    State(web): State<WebAuth>,
    headers: HeaderMap,
    ProtectedForm(NoFields {}): ProtectedForm<NoFields>,
) -> Response {
    let id_token = match web.cookies().session(&headers) {
        Some(id) => web.sessions().end(&id).await,
        None => Ok(None),
    };
    let id_token = match id_token {
        Ok(id_token) => id_token,
        Err(error) => {
            tracing::error!(%error, "a session cannot be ended");
            return web.unavailable(&headers);
        }
    };
    let mut response = see_other(&next_page(&web, id_token).await);
    if let Some(cookie) = web.cookies().forget_session() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The issuer's page for logging out, or the start when there is nothing to end there.
async fn next_page(web: &WebAuth, id_token: Option<String>) -> String {
    let start = web.base().to_owned();
    let (Some(id_token), Ok(back)) = (id_token, web.origin().join(web.base())) else {
        return start;
    };
    let url = web.sessions().oidc.logout_url(&id_token, &back).await;
    url.map_or(start, String::from)
}

/// The body of a back-channel logout.
#[derive(Deserialize)]
pub(super) struct BackchannelForm {
    logout_token: String,
}

/// `POST /backchannel-logout` (OpenID Connect Back-Channel Logout 1.0): the token is the only proof.
///
/// Answers 200 also when there was nothing to end, 400 to a token that does not count.
pub(super) async fn by_issuer(
    State(web): State<WebAuth>,
    Form(form): Form<BackchannelForm>,
) -> Response {
    let mut response = end_by_token(&web, &form.logout_token).await;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn end_by_token(web: &WebAuth, token: &str) -> Response {
    let client_id = web.sessions().oidc.client_id();
    let token = match web.verifier().logout(token, client_id).await {
        Ok(token) => token,
        Err(TokenError::Unavailable(unavailable)) => {
            return Problem::unavailable(unavailable.retry_after).into_response();
        }
        Err(error) => {
            tracing::warn!(%error, "a logout token was refused");
            return Problem::bad_request("The logout token does not count.").into_response();
        }
    };
    match web.sessions().end_by(token).await {
        Ok(true) => StatusCode::OK.into_response(),
        Ok(false) => {
            tracing::warn!("a logout token came a second time");
            Problem::bad_request("The logout token was used before.").into_response()
        }
        Err(error) => {
            tracing::error!(%error, "sessions cannot be ended");
            Problem::internal().into_response()
        }
    }
}
