//! The code flow with the issuer, by the `openidconnect` crate: requests, answers, and the ID token.
//!
//! Source: OpenID Connect Core 1.0 section 3.1; PKCE is RFC 7636.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthenticationFlow, AuthorizationCode, Client, ClientId,
    ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IdTokenClaims, IdTokenFields, IdTokenVerifier, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardErrorResponse,
    StandardTokenResponse, TokenResponse,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
        CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreResponseType,
        CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse,
        CoreTokenType,
    },
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Issuer, IssuerUnavailable, LoginConfig,
    issuer::{FetchError, TokenRequestError},
    person::TokenPerson,
    provider::Provider,
};
use crate::sources::Sources;

/// The lifetime assumed when the issuer names none.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(1);

/// The algorithms an ID token may be signed with; never one whose key is our own secret.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// What Keycloak adds to the standard claims.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct KeycloakClaims {
    sid: Option<String>,
    #[serde(default)]
    realm_access: RealmAccess,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct RealmAccess {
    #[serde(default)]
    roles: Vec<String>,
}

impl AdditionalClaims for KeycloakClaims {}

type Fields = IdTokenFields<
    KeycloakClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Answer = StandardTokenResponse<Fields, CoreTokenType>;
type WebClient = Client<
    KeycloakClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Answer,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;
type Claims = IdTokenClaims<KeycloakClaims, CoreGenderClaim>;

/// Why the issuer gave nothing that counts.
#[derive(Debug, thiserror::Error)]
pub(super) enum OidcError {
    /// It cannot be reached, or cannot answer now.
    #[error("the identity provider does not answer")]
    Unavailable(#[source] Option<FetchError>),
    /// It was never reached.
    #[error("the identity provider is not known")]
    Unknown(#[from] IssuerUnavailable),
    /// What was presented is used up, expired or withdrawn (`invalid_grant`).
    #[error("the grant is over")]
    GrantOver,
    /// It refused for a reason that is ours.
    #[error("the identity provider refused: {0}")]
    Refused(String),
    /// Its ID token does not count.
    #[error("the ID token does not count: {0}")]
    IdToken(String),
}

/// What must be kept until the person comes back.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LoginSecrets {
    nonce: String,
    verifier: String,
}

/// Where to send the person, and what to keep.
#[derive(Debug)]
pub(super) struct LoginRequest {
    pub(super) url: Url,
    pub(super) secrets: LoginSecrets,
}

/// The tokens of a session; they show in no log.
pub(super) struct Tokens {
    pub(super) id_token: Option<String>,
    pub(super) refresh_token: Option<String>,
    /// How long the access token, which nobody uses, would live.
    pub(super) lifetime: TimeDelta,
}

/// Somebody who has logged in.
pub(super) struct LoggedIn {
    pub(super) person: TokenPerson,
    pub(super) sid: String,
    pub(super) tokens: Tokens,
}

/// The client through which people log in.
#[derive(Debug, Clone)]
pub(super) struct Oidc {
    issuer: Issuer,
    login: LoginConfig,
    redirect: RedirectUrl,
    sources: Sources,
}

impl Oidc {
    pub(super) fn new(issuer: Issuer, login: LoginConfig, redirect: Url, sources: Sources) -> Self {
        Self {
            issuer,
            login,
            redirect: RedirectUrl::from_url(redirect),
            sources,
        }
    }

    pub(super) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    pub(super) fn client_id(&self) -> &str {
        &self.login.web_client_id
    }

    fn client(&self, provider: &Provider) -> WebClient {
        let client = Client::from_provider_metadata(
            provider.metadata.clone(),
            ClientId::new(self.login.web_client_id.clone()),
            Some(ClientSecret::new(
                self.login.web_client_secret.expose().to_owned(),
            )),
        );
        client.set_redirect_uri(self.redirect.clone())
    }

    /// Begins a login whose answer will carry `state`.
    pub(super) async fn begin(&self, state: String) -> Result<LoginRequest, IssuerUnavailable> {
        let provider = self.issuer.answering().await?;
        let secrets = LoginSecrets {
            nonce: super::opaque::Opaque::new(&self.sources).text(),
            verifier: super::opaque::Opaque::new(&self.sources).text(),
        };
        let verifier = PkceCodeVerifier::new(secrets.verifier.clone());
        let nonce = secrets.nonce.clone();
        let (url, _state, _nonce) = self
            .client(&provider)
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                || CsrfToken::new(state),
                || Nonce::new(nonce),
            )
            .add_scope(Scope::new("profile".to_owned()))
            .add_scope(Scope::new("email".to_owned()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(LoginRequest { url, secrets })
    }

    /// Exchanges the code that the person brought for tokens, and checks the ID token.
    pub(super) async fn finish(
        &self,
        code: String,
        secrets: LoginSecrets,
    ) -> Result<LoggedIn, OidcError> {
        let provider = self.issuer.provider().await?;
        let answer = self
            .client(&provider)
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| OidcError::Refused(error.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(secrets.verifier))
            .request_async(&self.issuer)
            .await
            .map_err(OidcError::from)?;
        let claims = self
            .checked_claims(&answer, &Nonce::new(secrets.nonce))
            .await?;
        let sid = claims.additional_claims().sid.clone();
        Ok(LoggedIn {
            person: person_of(&claims)?,
            sid: sid.ok_or_else(|| OidcError::IdToken("it names no session".to_owned()))?,
            tokens: Tokens::of(&answer),
        })
    }

    /// Asks whether a session still stands.
    pub(super) async fn refresh(&self, refresh_token: String) -> Result<Tokens, OidcError> {
        let provider = self.issuer.provider().await?;
        let refresh_token = RefreshToken::new(refresh_token);
        let answer = self
            .client(&provider)
            .exchange_refresh_token(&refresh_token)
            .map_err(|error| OidcError::Refused(error.to_string()))?
            .request_async(&self.issuer)
            .await
            .map_err(OidcError::from)?;
        Ok(Tokens::of(&answer))
    }

    /// Where a person ends their session at the issuer (OpenID Connect RP-Initiated Logout 1.0).
    pub(super) async fn logout_url(&self, id_token: &str, back_to: &Url) -> Option<Url> {
        let provider = self.issuer.provider().await.ok()?;
        let endpoint = provider
            .metadata
            .additional_metadata()
            .end_session_endpoint
            .as_ref()?;
        let mut url = endpoint.url().clone();
        url.query_pairs_mut()
            .append_pair("id_token_hint", id_token)
            .append_pair("post_logout_redirect_uri", back_to.as_str());
        Some(url)
    }

    /// The ID token's claims once signature, issuer, audience, time, nonce and access token agree.
    async fn checked_claims(&self, answer: &Answer, nonce: &Nonce) -> Result<Claims, OidcError> {
        let token = answer
            .id_token()
            .ok_or_else(|| OidcError::IdToken("there is none".to_owned()))?;
        let provider = self.provider_with_key_of(&token.to_string()).await?;
        let client = self.client(&provider);
        let verifier = self.verifier(&client);
        let claims = token
            .claims(&verifier, nonce)
            .map_err(|error| OidcError::IdToken(error.to_string()))?;
        if claims
            .authorized_party()
            .is_some_and(|azp| azp != client.client_id())
        {
            return Err(OidcError::IdToken("it is for another client".to_owned()));
        }
        if let Some(expected) = claims.access_token_hash() {
            let of_answer = token
                .signing_alg()
                .and_then(|algorithm| Ok((algorithm, token.signing_key(&verifier)?)))
                .map_err(|error| OidcError::IdToken(error.to_string()))
                .and_then(|(algorithm, key)| {
                    AccessTokenHash::from_token(answer.access_token(), algorithm, key)
                        .map_err(|error| OidcError::IdToken(error.to_string()))
                })?;
            if of_answer != *expected {
                return Err(OidcError::IdToken("its access token is another".to_owned()));
            }
        }
        Ok(claims.clone())
    }

    /// The issuer's keys, fetched anew when the token is signed with one that is not among them.
    async fn provider_with_key_of(&self, token: &str) -> Result<Arc<Provider>, OidcError> {
        let header = jsonwebtoken::decode_header(token)
            .map_err(|error| OidcError::IdToken(error.to_string()))?;
        if let Some(kid) = header.kid {
            drop(self.issuer.key(&kid).await?);
        }
        Ok(self.issuer.provider().await?)
    }

    fn verifier<'a>(&self, client: &'a WebClient) -> IdTokenVerifier<'a, CoreJsonWebKey> {
        let sources = self.sources.clone();
        client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || sources.now())
    }
}

fn person_of(claims: &Claims) -> Result<TokenPerson, OidcError> {
    let user_id = claims
        .subject()
        .parse()
        .map_err(|_not_uuid| OidcError::IdToken("its subject is no UUID".to_owned()))?;
    let first_name = claims.given_name().and_then(|name| name.get(None));
    let last_name = claims.family_name().and_then(|name| name.get(None));
    Ok(TokenPerson {
        user_id,
        username: claims
            .preferred_username()
            .map(|name| name.to_string())
            .unwrap_or_default(),
        email: claims.email().map(|email| email.to_string()),
        first_name: first_name.map(|name| name.to_string()).unwrap_or_default(),
        last_name: last_name.map(|name| name.to_string()).unwrap_or_default(),
        roles: claims.additional_claims().realm_access.roles.clone(),
    })
}

impl Tokens {
    fn of(answer: &Answer) -> Self {
        let lifetime = answer.expires_in().unwrap_or(DEFAULT_LIFETIME);
        Self {
            id_token: answer.id_token().map(ToString::to_string),
            refresh_token: answer.refresh_token().map(|token| token.secret().clone()),
            lifetime: TimeDelta::from_std(lifetime).unwrap_or(TimeDelta::zero()),
        }
    }
}

impl From<TokenRequestError> for OidcError {
    /// Only `invalid_grant` says that a session is over; everything unclear keeps it.
    fn from(error: TokenRequestError) -> Self {
        match error {
            RequestTokenError::ServerResponse(answer) => match answer.error() {
                CoreErrorResponseType::InvalidGrant => Self::GrantOver,
                _ => Self::Refused(answer.to_string()),
            },
            RequestTokenError::Request(cause) => Self::Unavailable(Some(cause)),
            RequestTokenError::Parse(..) => Self::Unavailable(None),
            RequestTokenError::Other(reason) => Self::Refused(reason),
        }
    }
}
