//! Who may call the REST interface: machines with the right audience and scope, each within its limit.

use std::{marker::PhantomData, num::NonZeroU32};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};

use super::{IdentityConfig, Issuer, TokenError, Verifier};
use crate::{lifecycle::Lifecycle, problem::Problem, rate_limit::CallerLimit, sources::Sources};

/// The challenges of RFC 6750 section 3.
const NO_TOKEN: &str = "Bearer";
const INVALID_TOKEN: &str = r#"Bearer error="invalid_token""#;
const INVALID_REQUEST: &str = r#"Bearer error="invalid_request""#;
const INSUFFICIENT_SCOPE: &str = r#"Bearer error="insufficient_scope""#;

/// A scope that a route asks for.
///
/// ```
/// struct UsersRead;
/// impl platform::auth::MachineScope for UsersRead {
///     const NAME: &'static str = "users:read";
/// }
/// ```
pub trait MachineScope {
    /// The scope's name in the realm.
    const NAME: &'static str;
}

/// What machine routes need to know; part of their router's state.
#[derive(Debug, Clone)]
pub struct MachineAuth {
    verifier: Verifier,
    audience: String,
    limit: CallerLimit,
}

impl MachineAuth {
    /// Lets in machines whose tokens are for the audience of `config`, each `per_second` times a second.
    #[must_use]
    pub fn new(
        issuer: Issuer,
        config: &IdentityConfig,
        sources: Sources,
        per_second: NonZeroU32,
    ) -> Self {
        Self {
            verifier: Verifier::new(issuer, sources),
            audience: config.audience.clone(),
            limit: CallerLimit::per_second("machine", per_second),
        }
    }

    /// Forgets callers that stayed away, now and then.
    pub fn spawn_housekeeping(&self, lifecycle: &Lifecycle) {
        self.limit.spawn_housekeeping(lifecycle);
    }

    async fn admit(&self, headers: &HeaderMap, scope: &str) -> Result<String, Problem> {
        let token = bearer(headers)?;
        let access = self
            .verifier
            .access(token)
            .await
            .map_err(|error| refusal(&error))?;
        let Some(client_id) = access.machine() else {
            tracing::info!("a person's token on a machine route was refused");
            return Err(Problem::forbidden("This interface is for machines only."));
        };
        if !access.is_for(&self.audience) {
            tracing::info!(client_id, "a token for another audience was refused");
            return Err(Problem::unauthorized(INVALID_TOKEN));
        }
        if !access.grants(scope) {
            tracing::info!(client_id, scope, "a token without the scope was refused");
            let problem = Problem::forbidden(format!("The scope {scope} is needed."));
            return Err(problem.with_challenge(INSUFFICIENT_SCOPE));
        }
        let client_id = client_id.to_owned();
        self.limit
            .take(&client_id)
            .map_err(Problem::too_many_requests)?;
        Ok(client_id)
    }
}

/// The one token of a request. With several headers, who reads which would be a matter of luck.
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let token = values.next().and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    if values.next().is_some() {
        let problem = Problem::bad_request("Send one Authorization header.");
        return Err(problem.with_challenge(INVALID_REQUEST));
    }
    token.ok_or_else(|| Problem::unauthorized(NO_TOKEN))
}

fn refusal(error: &TokenError) -> Problem {
    if let TokenError::Unavailable(unavailable) = error {
        return Problem::unavailable(unavailable.retry_after);
    }
    tracing::info!(%error, "a token was refused");
    Problem::unauthorized(INVALID_TOKEN)
}

/// A machine that may use the route: its token names this service and the scope `S`.
///
/// Answers 401 without a valid token, 403 to a person and without the scope, 429 over the limit.
#[derive(Debug)]
pub struct Machine<S> {
    client_id: String,
    scope: PhantomData<fn() -> S>,
}

impl<S> Machine<S> {
    /// The client that calls.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }
}

impl<T, S> FromRequestParts<T> for Machine<S>
where
    T: Send + Sync,
    S: MachineScope,
    MachineAuth: FromRef<T>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &T) -> Result<Self, Problem> {
        let auth = MachineAuth::from_ref(state);
        Ok(Self {
            client_id: auth.admit(&parts.headers, S::NAME).await?,
            scope: PhantomData,
        })
    }
}
