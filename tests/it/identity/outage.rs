//! Keycloak's process is stopped: the bridge answers on from its copy, and catches up afterwards.
//!
//! Nothing else runs meanwhile (`.config/nextest.toml`), since everybody shares this Keycloak.

use anyhow::{Context as _, Result};
use contracts::identity::{
    BatchGetUsers, UserChanged, UserCreated, UserDeleted, UsersBatch, UsersPage,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    own::{OwnBridge, QUICK},
    watched::username,
};
use crate::support::{
    environment::{environment, xtask},
    keycloak::Keycloak,
};

/// Everything that the bridge answers of somebody who lives and somebody who does not.
async fn answers_everything(bridge: &OwnBridge, people: &People) -> Result<()> {
    let (person, deleted) = (people.person, people.deleted);
    let told = bridge.user(person).await?.context("the person lives")?;
    assert_eq!(told.first_name, "Test");
    assert!(bridge.user(deleted).await?.is_none());
    let ids = vec![person, deleted];
    let answer = bridge
        .post("/users/batch-get", &BatchGetUsers { ids })
        .await?;
    let batch: UsersBatch = answer.error_for_status()?.json().await?;
    assert_eq!((batch.users.len(), batch.missing), (1, vec![deleted]));
    let answer = bridge.get("/users?limit=500").await?;
    let page: UsersPage = answer.error_for_status()?.json().await?;
    assert!(page.users.iter().any(|user| user.user_id == person));
    Ok(())
}

/// People whom the bridges have heard of, or missed while one of them was away.
struct People {
    person: Uuid,
    deleted: Uuid,
    came_and_went: Uuid,
    survivor: Uuid,
}

impl People {
    /// One bridge goes away after it has heard of two people; the other one hears of everything.
    async fn live(bridge: &mut OwnBridge, away: &mut OwnBridge) -> Result<Self> {
        let keycloak = Keycloak::log_in().await?;
        let person = keycloak.create_person(&username()).await?;
        let deleted = keycloak.create_person(&username()).await?;
        for bridge in [&mut *bridge, &mut *away] {
            bridge.next_about(person).await?.body::<UserCreated>()?;
            bridge.next_about(deleted).await?.body::<UserCreated>()?;
        }
        let keycloak = Keycloak::log_in().await?;
        keycloak.delete_person(deleted).await?;
        for bridge in [&mut *bridge, &mut *away] {
            bridge.next_about(deleted).await?.body::<UserDeleted>()?;
        }
        away.stop().await?;
        let came_and_went = keycloak.create_person(&username()).await?;
        keycloak.delete_person(came_and_went).await?;
        let survivor = keycloak.create_person(&username()).await?;
        keycloak.give_role(person, "manager").await?;
        bridge.next_about(survivor).await?.body::<UserCreated>()?;
        bridge.next_about(person).await?.body::<UserChanged>()?;
        Ok(Self {
            person,
            deleted,
            came_and_went,
            survivor,
        })
    }
}

#[tokio::test]
async fn while_keycloak_is_down_the_copy_answers_and_afterwards_nothing_is_missing() -> Result<()> {
    let realm = &environment().realm;
    let mut bridge = OwnBridge::open(realm, QUICK).await?;
    let mut away = OwnBridge::open(realm, QUICK).await?;
    let people = People::live(&mut bridge, &mut away).await?;

    xtask(&["stop", "keycloak"]).await?;
    let is_noticed = |fault: &str| fault.contains("Keycloak cannot be");
    let state = bridge
        .state_when("the outage is noticed", |state| {
            state
                .fault
                .as_ref()
                .is_some_and(|fault| is_noticed(&fault.reason))
        })
        .await?;
    answers_everything(&bridge, &people).await?;
    away.start().await?;
    answers_everything(&away, &people).await?;
    let later = bridge.state().await?;
    assert_eq!(
        later.as_of, state.as_of,
        "the copy does not pass for newer than it is"
    );
    let known = away
        .user(people.person)
        .await?
        .context("the person lives")?;
    assert!(
        !known.roles.contains(&"manager".to_owned()),
        "as it was when it went"
    );

    xtask(&["start", "keycloak"]).await?;
    catches_up(&mut bridge, &mut away, &people).await?;
    bridge.remove().await?;
    away.remove().await
}

/// Both hear of what happens now; the one that was away of what it missed, too, with its own times.
async fn catches_up(bridge: &mut OwnBridge, away: &mut OwnBridge, people: &People) -> Result<()> {
    let edit = json!({"firstName": "Survived"});
    let keycloak = Keycloak::log_in().await?;
    keycloak.change_person(people.survivor, &edit).await?;
    let edited = bridge
        .next_about(people.survivor)
        .await?
        .body::<UserChanged>()?;
    away.next_about(people.survivor)
        .await?
        .body::<UserCreated>()?;
    let missed = away
        .next_about(people.person)
        .await?
        .body::<UserChanged>()?;
    assert!(missed.timestamp < edited.timestamp);
    let mappings = format!("users/{}/role-mappings/realm", people.person);
    let path = format!("admin-events?resourcePath={mappings}&max=1");
    let event = keycloak.get(&path).await?[0]["time"].as_i64();
    assert_eq!(Some(missed.timestamp.timestamp_millis()), event);
    // Somebody who came and went unseen may have logged in meanwhile: the end is said.
    away.next_about(people.came_and_went)
        .await?
        .body::<UserDeleted>()?;
    for bridge in [bridge, away] {
        bridge
            .state_when("it watches users", |state| state.fault.is_none())
            .await?;
        assert!(bridge.user(people.came_and_went).await?.is_none());
    }
    for person in [people.person, people.survivor] {
        Keycloak::log_in().await?.delete_person(person).await?;
    }
    Ok(())
}
