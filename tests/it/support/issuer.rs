//! An issuer that the test plays: its keys, and tokens of any kind, those too that no real one would make.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use platform::routes::Routes;
use serde_json::{Value, json};

/// A key pair of RFC 8032 section 7.1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyPair {
    /// Its name in the headers of tokens.
    pub(crate) kid: &'static str,
    /// PKCS #8, as base64.
    secret: &'static str,
    /// As in a JWK.
    public: &'static str,
}

/// The issuer's own key: test 1.
pub(crate) const OWN: KeyPair = KeyPair {
    kid: "own",
    secret: "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g",
    public: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
};

/// The key that it may change to: test 2.
pub(crate) const NEXT: KeyPair = KeyPair {
    kid: "next",
    secret: "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7",
    public: "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
};

/// A key of somebody else: test 3.
pub(crate) const FOREIGN: KeyPair = KeyPair {
    kid: "foreign",
    secret: "MC4CAQAwBQYDK2VwBCIEIMWqjfQ/n4N77bdELzHct7Fm04U1B28JS4XOOi4LRFj3",
    public: "_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU",
};

impl KeyPair {
    /// The public key as an issuer publishes it.
    pub(crate) fn jwk(self) -> Result<Jwk> {
        Ok(serde_json::from_value(json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": self.public,
        }))?)
    }

    /// A header that names this key.
    pub(crate) fn header(self) -> Header {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.to_owned());
        header
    }

    /// A token that names this key.
    pub(crate) fn sign(self, claims: &Value) -> Result<String> {
        self.sign_under(&self.header(), claims)
    }

    /// A token that this key signs whatever its header says.
    pub(crate) fn sign_under(self, header: &Header, claims: &Value) -> Result<String> {
        let key = EncodingKey::from_ed_der(&BASE64_STANDARD.decode(self.secret)?);
        Ok(encode(header, claims, &key)?)
    }
}

/// A part of a token.
pub(crate) fn encoded(part: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part.to_string())
}

/// A token with any header and the signature of nobody.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}.", encoded(header), encoded(claims))
}

/// A token signed with `secret`, which is none: a public key, or what others know too (RFC 8725 section 2.1).
pub(crate) fn signed_with_secret(kid: &str, secret: &[u8], claims: &Value) -> Result<String> {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(kid.to_owned());
    Ok(encode(&header, claims, &EncodingKey::from_secret(secret))?)
}

/// `object` with some fields replaced; null takes one away.
pub(crate) fn with(object: &Value, changes: &Value) -> Value {
    let mut changed = object.clone();
    let fields = changed.as_object_mut().expect("claims are an object");
    for (name, value) in changes.as_object().into_iter().flatten() {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    changed
}

/// The issuer; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlayedIssuer {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    keys: Vec<Jwk>,
    status: StatusCode,
    tokens: Value,
}

impl Default for Shared {
    /// Gives machines a token that means nothing.
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            status: StatusCode::OK,
            tokens: json!({"access_token": "it", "token_type": "Bearer", "expires_in": 300}),
        }
    }
}

impl PlayedIssuer {
    /// Where it answers; its address below `/realms/it` is its name.
    pub(crate) fn routes<S: Clone + Send + Sync + 'static>(&self) -> Routes<S> {
        let discovery_path = "/realms/it/.well-known/openid-configuration";
        Routes::new()
            .route(discovery_path, get(discovery))
            .route("/realms/it/certs", get(keys))
            .route("/realms/it/token", post(token))
            .with_state(self.clone())
    }

    /// Publishes these keys from now on.
    pub(crate) fn publish(&self, keys: &[KeyPair]) -> Result<()> {
        let keys = keys.iter().map(|key| key.jwk()).collect::<Result<_>>()?;
        self.shared.lock().expect("no test panics here").keys = keys;
        Ok(())
    }

    /// Answers requests for tokens so from now on.
    pub(crate) fn answer(&self, status: StatusCode, tokens: Value) {
        let mut shared = self.shared.lock().expect("no test panics here");
        (shared.status, shared.tokens) = (status, tokens);
    }
}

/// The issuer has the address at which it is asked, which may be that of a proxy.
async fn discovery(headers: HeaderMap) -> Json<Value> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let issuer = format!("http://{}/realms/it", host.unwrap_or_default());
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/certs"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
    }))
}

async fn keys(State(issuer): State<PlayedIssuer>) -> Json<Value> {
    let shared = issuer.shared.lock().expect("no test panics here");
    Json(json!({"keys": shared.keys}))
}

async fn token(State(issuer): State<PlayedIssuer>) -> (StatusCode, Json<Value>) {
    let shared = issuer.shared.lock().expect("no test panics here");
    (shared.status, Json(shared.tokens.clone()))
}
