//! Tests of tokens and machine routes against an issuer in this process.

mod issuer;
mod machine;
mod token;

use serde_json::{Value, json};

use super::testing::{FakeIssuer, NOW, sign};

/// The claims of an access token of the machine `finance-m2m` for this service.
fn machine_claims(issuer: &FakeIssuer) -> Value {
    json!({
        "iss": issuer.url(),
        "sub": "00000000-0000-4000-8000-0000000000aa",
        "aud": ["tasks", "auth"],
        "typ": "Bearer",
        "azp": "finance-m2m",
        "client_id": "finance-m2m",
        "scope": "tasks:read users:read",
        "iat": NOW,
        "exp": NOW + 300,
    })
}

/// The claims of an access token that a person got by logging in.
fn person_claims(issuer: &FakeIssuer) -> Value {
    json!({
        "iss": issuer.url(),
        "sub": "00000000-0000-4000-8000-000000000001",
        "aud": "tasks",
        "typ": "Bearer",
        "azp": "tasks-web",
        "sid": "8d7f1b1c-0000-4000-8000-000000000001",
        "scope": "openid tasks:read",
        "iat": NOW,
        "exp": NOW + 300,
    })
}

/// The claims of a logout token for the client `tasks-web`.
fn logout_claims(issuer: &FakeIssuer) -> Value {
    json!({
        "iss": issuer.url(),
        "sub": "00000000-0000-4000-8000-000000000001",
        "aud": "tasks-web",
        "sid": "8d7f1b1c-0000-4000-8000-000000000001",
        "jti": "one",
        "iat": NOW,
        "exp": NOW + 120,
        "typ": "Logout",
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    })
}

/// `claims` with some of them replaced; null takes one away.
fn with(mut claims: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

/// Signs as the issuer does.
fn signed(claims: &Value) -> String {
    sign("first", "first", "JWT", claims)
}
