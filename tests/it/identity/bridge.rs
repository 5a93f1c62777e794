//! What a message of the bridge carries, and whom it answers.

use anyhow::Result;
use contracts::topology::Publisher;
use lapin::types::{FieldTable, ShortString};
use reqwest::StatusCode;
use uuid::Uuid;

use super::watched::username;
use crate::support::{
    builders::id,
    environment::environment,
    http,
    keycloak::{Keycloak, machine_token, person_token},
    listener::Listener,
};

/// What the bridge answers of `person` to somebody with `token`.
async fn ask(person: Uuid, token: Option<&str>) -> Result<reqwest::Response> {
    let url = environment()
        .auth_api_url
        .join(&format!("/users/{person}"))?;
    let request = http::client()?.get(url);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    Ok(request.send().await?)
}

#[tokio::test]
async fn a_message_carries_the_properties_of_the_design() -> Result<()> {
    let keycloak = Keycloak::log_in().await?;
    let heard = Listener::of(Publisher::Auth).await?;
    let person = keycloak.create_person(&username()).await?;
    let message = heard.next_about(person).await?;
    assert_eq!(message.message_id()?.get_version_num(), 7);
    let properties = &message.raw().properties;
    assert_eq!(
        properties.content_type().as_ref().map(ShortString::as_str),
        Some("application/json")
    );
    assert_eq!(
        properties.kind().as_ref().map(ShortString::as_str),
        Some("auth.user.created")
    );
    assert_eq!(
        properties.app_id().as_ref().map(ShortString::as_str),
        Some("auth")
    );
    assert_eq!(*properties.delivery_mode(), Some(2));
    assert!(properties.timestamp().is_some());
    let headers = properties.headers().as_ref().map(FieldTable::inner);
    assert!(
        headers.is_some_and(|headers| headers.contains_key("schema_version")),
        "{headers:?}"
    );
    keycloak.delete_person(person).await
}

#[tokio::test]
async fn only_a_machine_with_the_right_audience_and_scope_is_told_of_a_person() -> Result<()> {
    let ann = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0001);
    assert_eq!(
        ask(ann, None).await?.status(),
        StatusCode::UNAUTHORIZED,
        "without a token"
    );
    let garbage = "no.token.this";
    assert_eq!(
        ask(ann, Some(garbage)).await?.status(),
        StatusCode::UNAUTHORIZED,
        "garbage"
    );

    let scoped = machine_token("finance-m2m", "users:read").await?;
    assert_eq!(
        ask(ann, Some(&scoped)).await?.status(),
        StatusCode::OK,
        "audience and scope"
    );
    let tampered = scoped.replacen('.', ".e", 1);
    assert_eq!(
        ask(ann, Some(&tampered)).await?.status(),
        StatusCode::UNAUTHORIZED,
        "tampered with"
    );
    let elsewhere = machine_token("finance-m2m", "tasks:read").await?;
    assert_eq!(
        ask(ann, Some(&elsewhere)).await?.status(),
        StatusCode::UNAUTHORIZED,
        "another audience"
    );
    let nobody = machine_token("finance-m2m", "").await?;
    assert_eq!(
        ask(ann, Some(&nobody)).await?.status(),
        StatusCode::UNAUTHORIZED,
        "no audience"
    );

    let person = person_token("ann").await?;
    assert_eq!(
        ask(ann, Some(&person)).await?.status(),
        StatusCode::FORBIDDEN,
        "a person"
    );
    Ok(())
}

#[tokio::test]
async fn somebody_unknown_is_not_found_and_nothing_but_an_id_is_asked_for() -> Result<()> {
    let token = machine_token("tasks-m2m", "users:read").await?;
    let answer = ask(id(), Some(&token)).await?;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let url = environment().auth_api_url.join("/users/not-an-id")?;
    let answer = http::client()?.get(url).bearer_auth(&token).send().await?;
    assert!(answer.status().is_client_error(), "{}", answer.status());
    Ok(())
}
