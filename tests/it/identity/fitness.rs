//! The bridge refuses to watch users, in words, as long as it could not see everything.

use anyhow::{Context as _, Result};
use contracts::identity::{UserChanged, UserCreated};
use reqwest::Method;
use serde_json::{Value, json};

use super::own::{OwnBridge, QUICK};
use crate::support::{keycloak::Keycloak, realm::TestRealm};

/// Gives or takes (POST or DELETE) a role of the bridge's service account.
async fn change_right(keycloak: &Keycloak, method: Method, role: &str) -> Result<()> {
    let id = |found: &Value| Some(found["id"].as_str()?.to_owned());
    let management = keycloak.client("realm-management").await?;
    let management = id(&management).context("realm-management has an id")?;
    let bridge = keycloak.client("auth-bridge").await?;
    let bridge = id(&bridge).context("auth-bridge has an id")?;
    let account = keycloak
        .get(&format!("clients/{bridge}/service-account-user"))
        .await?;
    let account = id(&account).context("the account has an id")?;
    let role = keycloak
        .get(&format!("clients/{management}/roles/{role}"))
        .await?;
    let path = format!("users/{account}/role-mappings/clients/{management}");
    keycloak.send(method, &path, &json!([role])).await.map(drop)
}

/// Waits until the bridge says that this is wrong.
async fn refusal(bridge: &OwnBridge, words: &str) -> Result<()> {
    let says = |fault: &str| fault.contains(words);
    bridge
        .state_when(words, |state| {
            state
                .fault
                .as_ref()
                .is_some_and(|fault| says(&fault.reason))
        })
        .await
        .map(drop)
}

async fn watches(bridge: &OwnBridge) -> Result<()> {
    bridge
        .state_when("it watches users", |state| state.fault.is_none())
        .await
        .map(drop)
}

#[tokio::test]
async fn the_bridge_refuses_to_run_without_any_of_its_rights_or_without_events() -> Result<()> {
    let realm = TestRealm::import(&[]).await?;
    let keycloak = realm.log_in().await?;
    let person = keycloak.create_person("peter").await?;
    let mut bridge = OwnBridge::open(&realm.name, QUICK).await?;
    bridge.next_about(person).await?.body::<UserCreated>()?;

    for right in ["view-users", "view-events", "view-realm"] {
        change_right(&realm.log_in().await?, Method::DELETE, right).await?;
        refusal(&bridge, right).await?;
        assert!(
            bridge.user(person).await?.is_some(),
            "it answers all the same"
        );
        change_right(&realm.log_in().await?, Method::POST, right).await?;
        watches(&bridge).await?;
    }

    let kinds = realm.log_in().await?.get("").await?["enabledEventTypes"].clone();
    let day = 86_400;
    let cases = [
        (
            json!({"eventsEnabled": false}),
            "user events",
            json!({"eventsEnabled": true}),
        ),
        (
            json!({"enabledEventTypes": ["REGISTER"]}),
            "DELETE_ACCOUNT",
            json!({ "enabledEventTypes": kinds }),
        ),
        (
            json!({"eventsExpiration": 60}),
            "keeps user events for 60 seconds",
            json!({ "eventsExpiration": day }),
        ),
        (
            json!({"attributes": {"adminEventsExpiration": "3600"}}),
            "keeps admin events for 3600 seconds",
            json!({"attributes": {"adminEventsExpiration": day.to_string()}}),
        ),
    ];
    for (fault, words, mended) in cases {
        realm.change(&fault).await?;
        refusal(&bridge, words).await?;
        realm.change(&mended).await?;
        watches(&bridge).await?;
    }

    // What happened while nothing was recorded is found once it is recorded again.
    realm.change(&json!({"adminEventsEnabled": false})).await?;
    refusal(&bridge, "admin events").await?;
    let keycloak = realm.log_in().await?;
    keycloak
        .change_person(person, &json!({"firstName": "Unseen"}))
        .await?;
    realm.change(&json!({"adminEventsEnabled": true})).await?;
    bridge.next_about(person).await?.body::<UserChanged>()?;
    let told = bridge.user(person).await?.context("the person lives")?;
    assert_eq!(told.first_name, "Unseen");

    assert_eq!(bridge.rest().await?.len(), 0);
    bridge.remove().await?;
    realm.remove().await
}
