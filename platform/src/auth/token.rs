//! Verification of the tokens that others present: access tokens and logout tokens.
//!
//! Sources: RFC 7519, RFC 8725 (what to check), RFC 9068, OpenID Connect Back-Channel Logout 1.0
//! section 2.6. The key decides the algorithm; only asymmetric ones are allowed.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde::{Deserialize, de::IgnoredAny};
use uuid::Uuid;

use super::{Issuer, IssuerUnavailable};
use crate::sources::Sources;

/// How far clocks may be apart.
const LEEWAY: TimeDelta = TimeDelta::seconds(10);

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// The algorithms a token may be signed with.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The event that makes a token a logout token.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Why a token does not count.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read, or its signature is not the issuer's.
    #[error("the token cannot be read or its signature is wrong")]
    Invalid(#[source] jsonwebtoken::errors::Error),
    /// It is longer than any token of the issuer.
    #[error("the token is too long")]
    TooLong,
    /// It is signed in a way that is not allowed.
    #[error("the token is signed with an algorithm that is not allowed")]
    Algorithm,
    /// It names no key, or one that the issuer does not have.
    #[error("the token is signed with an unknown key")]
    UnknownKey,
    /// Another issuer made it.
    #[error("the token is of another issuer")]
    Issuer,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYet,
    /// It is a token of another kind.
    #[error("the token is of another kind")]
    Kind,
    /// It is meant for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// A claim that its kind must have is missing.
    #[error("the token lacks the claim {0}")]
    Missing(&'static str),
    /// It has a claim that its kind must not have.
    #[error("the token has the claim {0}, which it must not have")]
    Surplus(&'static str),
    /// Nobody can tell at the moment.
    #[error("the token cannot be checked")]
    Unavailable(#[source] IssuerUnavailable),
}

/// One string or several, as `aud` may be either.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn contains(&self, wanted: &str) -> bool {
        match self {
            Self::None => false,
            Self::One(one) => one == wanted,
            Self::Many(many) => many.iter().any(|one| one == wanted),
        }
    }
}

/// The claims that any check here looks at.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    sub: Option<String>,
    #[serde(default)]
    aud: OneOrMany,
    typ: Option<String>,
    azp: Option<String>,
    client_id: Option<String>,
    #[serde(default)]
    scope: String,
    sid: Option<String>,
    jti: Option<String>,
    nonce: Option<IgnoredAny>,
    events: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Checks tokens against the keys of one issuer.
#[derive(Debug, Clone)]
pub struct Verifier {
    issuer: Issuer,
    sources: Sources,
}

/// An access token that the issuer made and that has not expired; whom it is for is still open.
#[derive(Debug)]
pub struct VerifiedAccess {
    claims: Claims,
}

/// A logout token that is in order: whose sessions are to end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LogoutToken {
    pub(super) ends: Ends,
    pub(super) id: String,
    /// Until then it would be taken again if it were forgotten.
    pub(super) expires_at: DateTime<Utc>,
}

/// Which sessions a logout token ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// Those of one session at the issuer.
    Session(String),
    /// All of a person.
    Person(Uuid),
}

impl Verifier {
    /// A verifier by the keys of `issuer` and the clock of `sources`.
    #[must_use]
    pub fn new(issuer: Issuer, sources: Sources) -> Self {
        Self { issuer, sources }
    }

    /// Checks everything about an access token that does not depend on who asks.
    ///
    /// # Errors
    /// See [`TokenError`]. ID, refresh and logout tokens are of another kind.
    pub async fn access(&self, token: &str) -> Result<VerifiedAccess, TokenError> {
        let (header, claims) = self.verify(token).await?;
        let header_fits = header
            .typ
            .is_none_or(|typ| is_one_of(&typ, &["JWT", "at+jwt", "application/at+jwt"]));
        let claim_fits = claims
            .typ
            .as_deref()
            .is_some_and(|typ| is_one_of(typ, &["Bearer"]));
        if !header_fits || !claim_fits || claims.nonce.is_some() || claims.events.is_some() {
            return Err(TokenError::Kind);
        }
        Ok(VerifiedAccess { claims })
    }

    /// Checks a logout token for the client `client_id`.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub(super) async fn logout(
        &self,
        token: &str,
        client_id: &str,
    ) -> Result<LogoutToken, TokenError> {
        let (header, claims) = self.verify(token).await?;
        let header_fits = header
            .typ
            .is_none_or(|typ| is_one_of(&typ, &["JWT", "logout+jwt", "application/logout+jwt"]));
        let names_logout = claims
            .events
            .as_ref()
            .and_then(|events| events.get(LOGOUT_EVENT))
            .is_some_and(serde_json::Value::is_object);
        if !header_fits || !names_logout {
            return Err(TokenError::Kind);
        }
        if claims.nonce.is_some() {
            return Err(TokenError::Surplus("nonce"));
        }
        if !claims.aud.contains(client_id) {
            return Err(TokenError::Audience);
        }
        if claims.iat.is_none() {
            return Err(TokenError::Missing("iat"));
        }
        let ends = match (claims.sid, claims.sub) {
            (Some(sid), _) => Ends::Session(sid),
            (None, Some(sub)) => Ends::Person(
                sub.parse()
                    .map_err(|_not_uuid| TokenError::Missing("sub"))?,
            ),
            (None, None) => return Err(TokenError::Missing("sid")),
        };
        Ok(LogoutToken {
            ends,
            id: claims.jti.ok_or(TokenError::Missing("jti"))?,
            expires_at: instant(claims.exp)
                .and_then(|end| end.checked_add_signed(LEEWAY))
                .ok_or(TokenError::Missing("exp"))?,
        })
    }

    /// Signature, issuer and time.
    async fn verify(&self, token: &str) -> Result<(Header, Claims), TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLong);
        }
        let header = decode_header(token).map_err(TokenError::Invalid)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(TokenError::Algorithm);
        }
        let kid = header.kid.as_deref().ok_or(TokenError::UnknownKey)?;
        let key = self
            .issuer
            .key(kid)
            .await
            .map_err(TokenError::Unavailable)?
            .ok_or(TokenError::UnknownKey)?;
        if !key.fits(header.alg) {
            return Err(TokenError::Algorithm);
        }
        let claims: Claims = decode(token, &key.key, &signature_only(header.alg))
            .map_err(TokenError::Invalid)?
            .claims;
        if claims.iss != self.issuer.url() {
            return Err(TokenError::Issuer);
        }
        self.check_time(&claims)?;
        Ok((header, claims))
    }

    fn check_time(&self, claims: &Claims) -> Result<(), TokenError> {
        let now = self.sources.now();
        let expires = instant(claims.exp).ok_or(TokenError::Expired)?;
        if now - LEEWAY >= expires {
            return Err(TokenError::Expired);
        }
        let begins = [claims.nbf, claims.iat].into_iter().flatten();
        for begin in begins {
            if instant(begin).is_none_or(|begin| begin > now + LEEWAY) {
                return Err(TokenError::NotYet);
            }
        }
        Ok(())
    }
}

/// Time and issuer are checked here with this process's clock; the crate would use its own.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn instant(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

/// Token types compare without regard to case (RFC 7515 section 4.1.9).
fn is_one_of(typ: &str, allowed: &[&str]) -> bool {
    allowed.iter().any(|one| one.eq_ignore_ascii_case(typ))
}

impl VerifiedAccess {
    /// The client of a machine's own token; none when a person stands behind the token.
    ///
    /// Keycloak writes `client_id` only into tokens of a client's own account and `sid` only into
    /// those of a person's session.
    #[must_use]
    pub fn machine(&self) -> Option<&str> {
        let client_id = self.claims.client_id.as_deref()?;
        let is_own = self.claims.azp.as_deref() == Some(client_id) && self.claims.sid.is_none();
        is_own.then_some(client_id)
    }

    /// Whether the token is meant for `audience`.
    #[must_use]
    pub fn is_for(&self, audience: &str) -> bool {
        self.claims.aud.contains(audience)
    }

    /// Whether the token grants `scope`.
    #[must_use]
    pub fn grants(&self, scope: &str) -> bool {
        self.scopes().contains(scope)
    }

    /// The scopes that the token grants.
    #[must_use]
    pub fn scopes(&self) -> BTreeSet<&str> {
        self.claims.scope.split_ascii_whitespace().collect()
    }
}
