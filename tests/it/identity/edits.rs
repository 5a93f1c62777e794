//! What administrators do to a person, by the requests that the console sends and by those of REST clients.

use anyhow::{Context as _, Result};
use contracts::topology::Publisher;
use reqwest::Method;
use serde_json::{Value, json};

use super::watched::{Told, Watched, find, roles_of_ours, username};
use crate::support::{keycloak::Keycloak, listener::Listener};

#[tokio::test]
async fn each_edit_of_a_person_in_the_console_is_one_message_of_its_own_time() -> Result<()> {
    let mut person = Watched::create().await?;
    let (id, path) = (person.person, person.path(""));

    // The console sends the whole person back.
    let name = json!({"firstName": "Changed"});
    person.keycloak.change_person(id, &name).await?;
    let told = person.changed(Told::Admin(&path)).await?;
    assert_eq!(told.first_name, "Changed");

    let mail = json!({"email": format!("new-{}@example.org", person.username)});
    person.keycloak.change_person(id, &mail).await?;
    let told = person.changed(Told::Admin(&path)).await?;
    assert_eq!(told.email.as_deref(), mail["email"].as_str());

    for is_enabled in [false, true] {
        let switch = json!({ "enabled": is_enabled });
        person.keycloak.change_person(id, &switch).await?;
        let told = person.changed(Told::Admin(&path)).await?;
        assert_eq!(told.enabled, is_enabled);
    }
    person.delete().await
}

#[tokio::test]
async fn each_edit_of_a_person_over_rest_is_one_message_of_its_own_time() -> Result<()> {
    let mut person = Watched::create().await?;
    let path = person.path("");
    let edit = json!({"lastName": "Changed"});
    person.send(Method::PUT, &path, &edit).await?;
    let told = person.changed(Told::Admin(&path)).await?;
    assert_eq!(
        (told.first_name.as_str(), told.last_name.as_str()),
        ("Test", "Changed")
    );

    let edit = json!({"enabled": false});
    person.send(Method::PUT, &path, &edit).await?;
    assert!(!person.changed(Told::Admin(&path)).await?.enabled);
    person.delete().await
}

#[tokio::test]
async fn what_others_cannot_see_of_a_person_is_no_message() -> Result<()> {
    let person = Watched::create().await?;
    let path = person.path("");
    let nothing = json!({"firstName": "Test"});
    person.send(Method::PUT, &path, &nothing).await?;
    let verified = json!({"emailVerified": true, "requiredActions": ["UPDATE_PASSWORD"]});
    person.send(Method::PUT, &path, &verified).await?;
    let password =
        json!({"type": "password", "value": "correct horse battery", "temporary": false});
    person
        .send(Method::PUT, &person.path("/reset-password"), &password)
        .await?;
    let actions = json!(["UPDATE_PASSWORD"]);
    person
        .send(
            Method::PUT,
            &person.path("/execute-actions-email"),
            &actions,
        )
        .await?;
    person
        .send(Method::POST, &person.path("/logout"), &Value::Null)
        .await?;
    person.delete().await
}

#[tokio::test]
async fn roles_given_and_taken_by_either_path_are_one_message_each() -> Result<()> {
    let mut person = Watched::create().await?;
    let id = person.person;
    let mappings = person.path("/role-mappings/realm");
    let manager = person.keycloak.get("roles/manager").await?;

    person.keycloak.give_role(id, "manager").await?;
    let told = person.changed(Told::Admin(&mappings)).await?;
    assert_eq!(roles_of_ours(&told), ["employee", "manager"]);

    person
        .send(Method::DELETE, &mappings, &json!([manager]))
        .await?;
    let told = person.changed(Told::Admin(&mappings)).await?;
    assert_eq!(roles_of_ours(&told), ["employee"]);

    person.keycloak.give_role(id, "accountant").await?;
    let told = person.changed(Told::Admin(&mappings)).await?;
    assert_eq!(roles_of_ours(&told), ["accountant", "employee"]);

    person
        .keycloak
        .take_role_in_console(id, "accountant")
        .await?;
    let console = format!("ui-ext/role-mapping-delete/users/{id}");
    let told = person.changed(Told::Admin(&console)).await?;
    assert_eq!(roles_of_ours(&told), ["employee"]);
    person.delete().await
}

#[tokio::test]
async fn a_partial_import_creates_a_person_and_one_that_overwrites_replaces_them() -> Result<()> {
    let heard = Listener::of(Publisher::Auth).await?;
    let keycloak = Keycloak::log_in().await?;
    let name = username();
    import(&keycloak, &name, "First").await?;
    let first = find(&keycloak, &name).await?;
    let path = format!("users/{first}");
    let first = Watched::begin(heard, &name, first, Told::Admin(&path)).await?;

    // The event names the new user only; the old one is found missing.
    let heard = Listener::of(Publisher::Auth).await?;
    let keycloak = Keycloak::log_in().await?;
    import(&keycloak, &name, "Second").await?;
    let second = find(&keycloak, &name).await?;
    assert_ne!(first.person, second);
    let path = format!("users/{second}");
    let second = Watched::begin(heard, &name, second, Told::Admin(&path)).await?;
    first.gone(Told::Indirectly(&path)).await?;
    second.delete().await
}

async fn import(keycloak: &Keycloak, username: &str, first_name: &str) -> Result<()> {
    let body = json!({
        "ifResourceExists": "OVERWRITE",
        "users": [{
            "username": username,
            "email": format!("{username}@example.org"),
            "firstName": first_name,
            "lastName": "Imported",
            "enabled": true,
        }],
    });
    let answer = keycloak.send(Method::POST, "partialImport", &body).await?;
    let results: Value = answer.json().await?;
    let added = results["added"]
        .as_u64()
        .zip(results["overwritten"].as_u64());
    let (added, overwritten) = added.context("a partial import counts")?;
    assert_eq!(added + overwritten, 1, "{results}");
    Ok(())
}

#[tokio::test]
async fn the_account_of_a_client_is_nobody() -> Result<()> {
    let keycloak = Keycloak::log_in().await?;
    let client = username();
    let body = json!({
        "clientId": client,
        "serviceAccountsEnabled": true,
        "publicClient": false,
        "standardFlowEnabled": false,
    });
    let heard = Listener::of(Publisher::Auth).await?;
    keycloak.send(Method::POST, "clients", &body).await?;
    let id = keycloak.client(&client).await?;
    let id = id["id"].as_str().context("a client has an id")?;
    let account = keycloak
        .get(&format!("clients/{id}/service-account-user"))
        .await?;
    let account = account["id"]
        .as_str()
        .context("the account has an id")?
        .parse()?;
    keycloak.give_role(account, "manager").await?;

    // What happens after is heard, so that nothing was said of the account before.
    let person = Watched::create().await?;
    person.delete().await?;
    assert!(!heard.has_heard_about(account).await?);
    keycloak
        .send(Method::DELETE, &format!("clients/{id}"), &Value::Null)
        .await
        .map(drop)
}
