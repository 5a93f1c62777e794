//! An issuer inside the test process: discovery, keys, and tokens of any kind, forged ones included.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering},
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{IdentityConfig, Issuer, MachineToken};
use crate::{
    config::Secret,
    lifecycle::Lifecycle,
    sources::{ManualClock, Sources},
};

/// The moment at which every test begins.
pub(crate) const NOW: i64 = 1_800_000_000;

/// Key pairs of RFC 8032 section 7.1, tests 1 to 3: name, secret, public.
const KEYS: [(&str, &str, &str); 3] = [
    (
        "first",
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    ),
    (
        "second",
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    ),
    (
        "foreign",
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    ),
];

fn from_hex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// The private key called `name`.
pub(crate) fn signing_key(name: &str) -> EncodingKey {
    let (_, secret, _) = KEYS.into_iter().find(|key| key.0 == name).unwrap();
    let mut pkcs8 = from_hex("302e020100300506032b657004220420");
    pkcs8.extend(from_hex(secret));
    EncodingKey::from_ed_der(&pkcs8)
}

/// The public key called `name`, as the issuer publishes it.
pub(crate) fn public_jwk(name: &str) -> Value {
    let (kid, _, public) = KEYS.into_iter().find(|key| key.0 == name).unwrap();
    json!({
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid,
        "x": URL_SAFE_NO_PAD.encode(from_hex(public)),
    })
}

/// Signs `claims` with the key called `key` under the header name `kid`.
pub(crate) fn sign(key: &str, kid: &str, typ: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(kid.to_owned());
    header.typ = Some(typ.to_owned());
    encode(&header, claims, &signing_key(key)).unwrap()
}

/// A running issuer; it stops with the test.
pub(crate) struct FakeIssuer {
    shared: Arc<Shared>,
    lifecycle: Lifecycle,
    pub(crate) clock: ManualClock,
    pub(crate) sources: Sources,
}

struct Shared {
    url: String,
    is_down: AtomicBool,
    keys: Mutex<Vec<&'static str>>,
    key_requests: AtomicU64,
    token_requests: AtomicU64,
    token_status: AtomicU16,
}

impl Drop for FakeIssuer {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

impl FakeIssuer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            url: format!("http://{address}/realms/test"),
            is_down: AtomicBool::new(false),
            keys: Mutex::new(vec!["first"]),
            key_requests: AtomicU64::new(0),
            token_requests: AtomicU64::new(0),
            token_status: AtomicU16::new(200),
        });
        let router = Router::new()
            .route(
                "/realms/test/.well-known/openid-configuration",
                get(discovery),
            )
            .route("/realms/test/keys", get(keys))
            .route("/realms/test/token", post(token))
            .layer(middleware::from_fn_with_state(
                Arc::clone(&shared),
                fail_when_down,
            ))
            .with_state(Arc::clone(&shared));
        let lifecycle = Lifecycle::new();
        let stopping = lifecycle.stopping();
        lifecycle.spawn("fake issuer", async move {
            let served = axum::serve(listener, router);
            drop(stopping.run_until_cancelled(served.into_future()).await);
        });
        let clock = ManualClock::new(DateTime::from_timestamp(NOW, 0).unwrap());
        Self {
            shared,
            lifecycle,
            sources: Sources::manual(clock.clone(), 1),
            clock,
        }
    }

    /// Answers 503 to everything from now on.
    pub(crate) fn go_down(&self) {
        self.shared.is_down.store(true, Ordering::SeqCst);
    }

    /// Answers again.
    pub(crate) fn come_back(&self) {
        self.shared.is_down.store(false, Ordering::SeqCst);
    }

    pub(crate) fn url(&self) -> &str {
        &self.shared.url
    }

    pub(crate) fn config(&self) -> IdentityConfig {
        IdentityConfig {
            issuer: self.shared.url.clone(),
            audience: "tasks".to_owned(),
            machine_client_id: "tasks-m2m".to_owned(),
            machine_client_secret: Secret::new("secret"),
        }
    }

    pub(crate) fn issuer(&self) -> Issuer {
        Issuer::try_new(&self.config(), &self.sources).unwrap()
    }

    pub(crate) fn machine_token(&self, scope: &'static str) -> MachineToken {
        MachineToken::new(self.issuer(), &self.config(), scope, self.sources.clone())
    }

    /// Publishes these keys from now on.
    pub(crate) fn publish_keys(&self, names: &[&'static str]) {
        *self.shared.keys.lock().unwrap() = names.to_vec();
    }

    pub(crate) fn key_requests(&self) -> u64 {
        self.shared.key_requests.load(Ordering::SeqCst)
    }

    pub(crate) fn token_requests(&self) -> u64 {
        self.shared.token_requests.load(Ordering::SeqCst)
    }

    /// Answers requests for tokens with this status from now on.
    pub(crate) fn fail_tokens(&self, status: u16) {
        self.shared.token_status.store(status, Ordering::SeqCst);
    }
}

async fn fail_when_down(
    State(issuer): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    if issuer.is_down.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    next.run(request).await
}

async fn discovery(State(issuer): State<Arc<Shared>>) -> Json<Value> {
    let url = &issuer.url;
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "end_session_endpoint": format!("{url}/logout"),
        "jwks_uri": format!("{url}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
    }))
}

async fn keys(State(issuer): State<Arc<Shared>>) -> Json<Value> {
    issuer.key_requests.fetch_add(1, Ordering::SeqCst);
    let names = issuer.keys.lock().unwrap().clone();
    let keys: Vec<_> = names.into_iter().map(public_jwk).collect();
    Json(json!({ "keys": keys }))
}

async fn token(State(issuer): State<Arc<Shared>>) -> Response {
    let number = issuer.token_requests.fetch_add(1, Ordering::SeqCst);
    let status = StatusCode::from_u16(issuer.token_status.load(Ordering::SeqCst)).unwrap();
    let body = if status == StatusCode::OK {
        json!({
            "access_token": format!("token-{number}"), "token_type": "Bearer", "expires_in": 300,
        })
    } else {
        json!({ "error": "temporarily_unavailable" })
    };
    (status, Json(body)).into_response()
}
