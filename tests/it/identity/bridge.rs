//! What happens to a person in Keycloak is said to the other services, once and in order.

use anyhow::Result;
use contracts::{
    identity::{User, UserChanged, UserCreated, UserDeleted},
    topology::Publisher,
};
use lapin::types::{FieldTable, ShortString};
use reqwest::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::support::{
    builders::id,
    environment::environment,
    http,
    keycloak::{Keycloak, machine_token, person_token},
    listener::Listener,
};

/// A user name that no other test uses.
fn username() -> String {
    format!("it-{}", id().simple())
}

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

/// The person as the bridge tells it to tasks-service.
async fn user(person: Uuid) -> Result<User> {
    let token = machine_token("tasks-m2m", "users:read").await?;
    Ok(ask(person, Some(&token))
        .await?
        .error_for_status()?
        .json()
        .await?)
}

#[tokio::test]
async fn a_person_is_created_changed_and_deleted_with_one_message_each() -> Result<()> {
    let keycloak = Keycloak::log_in().await?;
    let heard = Listener::of(Publisher::Auth).await?;

    let username = username();
    let person = keycloak.create_person(&username).await?;
    let created = heard.next_about(person).await?.body::<UserCreated>()?;
    let told = user(person).await?;
    assert_eq!(
        (told.username.as_str(), told.enabled),
        (username.as_str(), true)
    );
    assert_eq!(told.email, Some(format!("{username}@example.org")));
    assert!(
        told.roles.contains(&"employee".to_owned()),
        "{:?}",
        told.roles
    );

    keycloak
        .change_person(person, &json!({"firstName": "Changed"}))
        .await?;
    let changed = heard.next_about(person).await?.body::<UserChanged>()?;
    assert_eq!(user(person).await?.first_name, "Changed");

    keycloak
        .change_person(person, &json!({"enabled": false}))
        .await?;
    let disabled = heard.next_about(person).await?.body::<UserChanged>()?;
    assert!(!user(person).await?.enabled);

    keycloak.delete_person(person).await?;
    let deleted = heard.next_about(person).await?.body::<UserDeleted>()?;
    let token = machine_token("tasks-m2m", "users:read").await?;
    assert_eq!(
        ask(person, Some(&token)).await?.status(),
        StatusCode::NOT_FOUND
    );

    let times = [
        created.timestamp,
        changed.timestamp,
        disabled.timestamp,
        deleted.timestamp,
    ];
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    Ok(())
}

#[tokio::test]
async fn a_role_is_noticed_when_given_and_when_taken_in_the_console() -> Result<()> {
    let keycloak = Keycloak::log_in().await?;
    let heard = Listener::of(Publisher::Auth).await?;
    let person = keycloak.create_person(&username()).await?;
    heard.next_about(person).await?.body::<UserCreated>()?;

    keycloak.give_role(person, "manager").await?;
    heard.next_about(person).await?.body::<UserChanged>()?;
    assert_eq!(roles_of_ours(person).await?, ["employee", "manager"]);

    keycloak.take_role_in_console(person, "manager").await?;
    heard.next_about(person).await?.body::<UserChanged>()?;
    assert_eq!(roles_of_ours(person).await?, ["employee"]);
    keycloak.delete_person(person).await
}

/// The person's roles that mean something to the services.
async fn roles_of_ours(person: Uuid) -> Result<Vec<String>> {
    let mut roles = user(person).await?.roles;
    roles.retain(|role| contracts::identity::Role::from_name(role).is_some());
    Ok(roles)
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
