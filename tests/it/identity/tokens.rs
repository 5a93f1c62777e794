//! The tokens of every client carry what the services rely on, and nothing that would open a door.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::keycloak::{Keycloak, ask_for_machine_token, claims, machine_token};

/// The demo person who only has the default role.
const EMPLOYEE: Uuid = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0004);
/// The demo person who is a manager.
const MANAGER: Uuid = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0002);

/// The values of a claim that is a text or an array of texts; empty when it is absent.
fn values(claim: &Value) -> Vec<&str> {
    let mut values: Vec<&str> = match claim {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    values.sort_unstable();
    values
}

fn scopes(claims: &Value) -> Vec<&str> {
    let mut scopes: Vec<&str> = claims["scope"]
        .as_str()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    scopes.sort_unstable();
    scopes
}

#[tokio::test]
async fn a_machine_token_names_the_service_it_is_for_and_what_it_may() -> Result<()> {
    let cases = [
        ("tasks-m2m", "users:read", vec!["auth"]),
        ("tasks-m2m", "operations:manage", vec!["auth"]),
        ("finance-m2m", "users:read", vec!["auth"]),
        ("finance-m2m", "tasks:read", vec!["tasks"]),
        (
            "finance-m2m",
            "tasks:read users:read",
            vec!["auth", "tasks"],
        ),
    ];
    for (client, scope, audience) in cases {
        let claims = claims(&machine_token(client, scope).await?)?;
        assert_eq!(values(&claims["aud"]), audience, "{client} with {scope}");
        assert_eq!(
            scopes(&claims),
            scope.split(' ').collect::<Vec<_>>(),
            "{client}"
        );
        assert_eq!(claims["azp"], client);
        assert!(
            claims["sub"].is_string(),
            "{client} has a subject: {claims}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_machine_token_that_asks_for_nothing_opens_nothing() -> Result<()> {
    for client in ["tasks-m2m", "finance-m2m"] {
        let claims = claims(&machine_token(client, "").await?)?;
        assert_eq!(values(&claims["aud"]), Vec::<&str>::new(), "{client}");
        assert_eq!(scopes(&claims), Vec::<&str>::new(), "{client}");
    }
    Ok(())
}

#[tokio::test]
async fn a_machine_gets_no_scope_that_is_not_its_own() -> Result<()> {
    for (client, scope) in [
        ("tasks-m2m", "tasks:read"),
        ("finance-m2m", "operations:manage"),
        ("auth-bridge", "operations:manage"),
        ("auth-bridge", "users:read"),
        ("auth-bridge", "tasks:read"),
    ] {
        let answer = ask_for_machine_token(client, scope).await?;
        assert_eq!(
            answer["error"], "invalid_scope",
            "{client} asks for {scope}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_bridge_may_look_at_users_and_events_and_change_nothing() -> Result<()> {
    let claims = claims(&machine_token("auth-bridge", "").await?)?;
    let roles = values(&claims["resource_access"]["realm-management"]["roles"]);
    for needed in ["view-events", "view-realm", "view-users"] {
        assert!(
            roles.contains(&needed),
            "the bridge lacks {needed}: {roles:?}"
        );
    }
    let changing: Vec<_> = roles
        .iter()
        .filter(|role| role.starts_with("manage-") || **role == "realm-admin")
        .collect();
    assert!(
        changing.is_empty(),
        "the bridge may change things: {changing:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_persons_id_token_says_who_it_is_and_which_roles_they_have() -> Result<()> {
    let keycloak = Keycloak::log_in().await?;
    for client in ["tasks-web", "finance-web"] {
        for (person, roles) in [
            (EMPLOYEE, vec!["employee"]),
            (MANAGER, vec!["employee", "manager"]),
        ] {
            let claims = keycloak.example_claims(client, "id-token", person).await?;
            assert_eq!(claims["sub"], json!(person), "{client}");
            assert_eq!(values(&claims["aud"]), [client]);
            let found = values(&claims["realm_access"]["roles"]);
            let ours = ["accountant", "administrator", "employee", "manager"];
            let found: Vec<&str> = found
                .into_iter()
                .filter(|role| ours.contains(role))
                .collect();
            assert_eq!(found, roles, "{client}");
            let is_text = |claim: &str| claims[claim].is_string();
            assert!(
                is_text("email") && is_text("name") && is_text("preferred_username"),
                "{client}: {claims}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_persons_access_token_is_for_no_service() -> Result<()> {
    let keycloak = Keycloak::log_in().await?;
    for client in ["tasks-web", "finance-web"] {
        let claims = keycloak
            .example_claims(client, "access-token", MANAGER)
            .await?;
        let audience = values(&claims["aud"]);
        let services: Vec<_> = audience
            .iter()
            .filter(|name| ["auth", "finance", "tasks"].contains(name))
            .collect();
        assert!(services.is_empty(), "{client}: {audience:?}");
        let scopes = scopes(&claims);
        assert!(
            !scopes.iter().any(|scope| scope.ends_with(":read")),
            "{client}: {scopes:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn web_clients_take_only_the_code_flow_with_a_proof_key() -> Result<()> {
    let keycloak = Keycloak::log_in().await?;
    for client in ["tasks-web", "finance-web"] {
        let found = keycloak.client(client).await?;
        assert_eq!(found["publicClient"], false, "{client}");
        assert_eq!(found["standardFlowEnabled"], true, "{client}");
        for flow in [
            "implicitFlowEnabled",
            "directAccessGrantsEnabled",
            "serviceAccountsEnabled",
        ] {
            assert_eq!(found[flow], false, "{client}: {flow}");
        }
        assert_eq!(
            found["attributes"]["pkce.code.challenge.method"], "S256",
            "{client}"
        );
        let redirects = found["redirectUris"]
            .as_array()
            .context("a web client has redirect addresses")?;
        assert!(
            redirects
                .iter()
                .all(|uri| !uri.as_str().unwrap_or("*").contains('*')),
            "{client}: {redirects:?}"
        );
    }
    Ok(())
}
