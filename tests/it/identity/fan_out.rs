//! Changes of groups and roles: their events name no user, and yet people gain and lose roles.

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::watched::{Told, Watched, roles_of_ours, username};
use crate::support::keycloak::Keycloak;

/// A group that only one test knows.
async fn create_group(keycloak: &Keycloak) -> Result<(String, String)> {
    let name = username();
    keycloak
        .send(Method::POST, "groups", &json!({ "name": name }))
        .await?;
    let found = keycloak
        .get(&format!("groups?search={name}&exact=true"))
        .await?;
    let id = found[0]["id"].as_str().context("a group has an id")?;
    Ok((id.to_owned(), name))
}

#[tokio::test]
async fn a_person_gains_and_loses_the_roles_of_a_group_by_joining_and_leaving_it() -> Result<()> {
    let keycloak = Keycloak::log_in().await?;
    let (group, name) = create_group(&keycloak).await?;
    let manager = keycloak.get("roles/manager").await?;
    let mappings = format!("groups/{group}/role-mappings/realm");
    keycloak
        .send(Method::POST, &mappings, &json!([manager]))
        .await?;

    // The console's dialog creates a person with their groups at once.
    let username = username();
    let body = json!({"username": username, "enabled": true, "groups": [format!("/{name}")]});
    let mut person = Watched::create_as(&username, &body).await?;

    let membership = person.path(&format!("/groups/{group}"));
    person
        .send(Method::DELETE, &membership, &Value::Null)
        .await?;
    let told = person.changed(Told::Admin(&membership)).await?;
    assert_eq!(roles_of_ours(&told), ["employee"]);

    person.send(Method::PUT, &membership, &json!({})).await?;
    let told = person.changed(Told::Admin(&membership)).await?;
    assert_eq!(roles_of_ours(&told), ["employee", "manager"]);

    let path = format!("groups/{group}");
    person.send(Method::DELETE, &path, &Value::Null).await?;
    let told = person.changed(Told::Indirectly(&path)).await?;
    assert_eq!(roles_of_ours(&told), ["employee"]);
    person.delete().await
}

#[tokio::test]
async fn members_gain_and_lose_what_is_given_to_and_taken_from_their_group() -> Result<()> {
    let mut person = Watched::create().await?;
    let (group, _) = create_group(&person.keycloak).await?;
    let membership = person.path(&format!("/groups/{group}"));
    person.send(Method::PUT, &membership, &json!({})).await?;
    person.seen(Told::Admin(&membership)).await?;
    let manager = person.keycloak.get("roles/manager").await?;
    let mappings = format!("groups/{group}/role-mappings/realm");

    person
        .send(Method::POST, &mappings, &json!([manager]))
        .await?;
    let told = person.changed(Told::Indirectly(&mappings)).await?;
    assert_eq!(roles_of_ours(&told), ["employee", "manager"]);

    let console = format!("ui-ext/role-mapping-delete/groups/{group}");
    let body = json!([{"roleId": manager["id"], "roleName": "manager"}]);
    person.send(Method::POST, &console, &body).await?;
    let told = person.changed(Told::Indirectly(&console)).await?;
    assert_eq!(roles_of_ours(&told), ["employee"]);

    let path = format!("groups/{group}");
    person.send(Method::DELETE, &path, &Value::Null).await?;
    person.delete().await
}

#[tokio::test]
async fn members_of_a_group_that_moves_inherit_from_its_new_parent_only() -> Result<()> {
    let mut person = Watched::create().await?;
    let (parent, _) = create_group(&person.keycloak).await?;
    let (child, name) = create_group(&person.keycloak).await?;
    let manager = person.keycloak.get("roles/manager").await?;
    let mappings = format!("groups/{parent}/role-mappings/realm");
    person
        .send(Method::POST, &mappings, &json!([manager]))
        .await?;
    let membership = person.path(&format!("/groups/{child}"));
    person.send(Method::PUT, &membership, &json!({})).await?;

    person.seen(Told::Admin(&membership)).await?;

    let below = format!("groups/{parent}/children");
    let moved = json!({"id": child, "name": name});
    person.send(Method::POST, &below, &moved).await?;
    let told = person.changed(Told::Indirectly(&below)).await?;
    assert_eq!(roles_of_ours(&told), ["employee", "manager"]);

    // Another name makes no difference to anybody.
    let renamed = json!({"id": child, "name": format!("{name}-renamed")});
    person
        .send(Method::PUT, &format!("groups/{child}"), &renamed)
        .await?;
    person.send(Method::POST, "groups", &renamed).await?;
    let told = person.changed(Told::Indirectly("groups")).await?;
    assert_eq!(roles_of_ours(&told), ["employee"]);

    for group in [parent, child] {
        let path = format!("groups/{group}");
        person.send(Method::DELETE, &path, &Value::Null).await?;
    }
    person.delete().await
}

#[tokio::test]
async fn holders_of_a_role_gain_and_lose_what_it_is_made_of() -> Result<()> {
    let mut person = Watched::create().await?;
    let name = username();
    person
        .send(Method::POST, "roles", &json!({ "name": name }))
        .await?;
    person.keycloak.give_role(person.person, &name).await?;
    let mappings = person.path("/role-mappings/realm");
    person.changed(Told::Admin(&mappings)).await?;
    let role = person.keycloak.get(&format!("roles/{name}")).await?;
    let role = role["id"].as_str().context("a role has an id")?.to_owned();
    let accountant = person.keycloak.get("roles/accountant").await?;

    let composites = format!("roles-by-id/{role}/composites");
    person
        .send(Method::POST, &composites, &json!([accountant]))
        .await?;
    let told = person.changed(Told::Indirectly(&composites)).await?;
    assert_eq!(roles_of_ours(&told), ["accountant", "employee"]);

    let console = format!("ui-ext/role-mapping-delete/roles/{role}");
    let body = json!([{"roleId": accountant["id"], "roleName": "accountant"}]);
    person.send(Method::POST, &console, &body).await?;
    let told = person.changed(Told::Indirectly(&console)).await?;
    assert_eq!(roles_of_ours(&told), ["employee"]);

    let path = format!("roles-by-id/{role}");
    let renamed = format!("{name}-renamed");
    person
        .send(Method::PUT, &path, &json!({ "name": renamed }))
        .await?;
    let told = person.changed(Told::Indirectly(&path)).await?;
    assert!(told.roles.contains(&renamed), "{:?}", told.roles);

    person.send(Method::DELETE, &path, &Value::Null).await?;
    let told = person.changed(Told::Indirectly(&path)).await?;
    assert!(!told.roles.contains(&renamed), "{:?}", told.roles);
    person.delete().await
}
