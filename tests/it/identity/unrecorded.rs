//! What Keycloak records late, elsewhere or not at all.

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use contracts::{
    Message,
    identity::{UserChanged, UserCreated},
};
use reqwest::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

use super::{
    own::{OwnBridge, QUICK},
    watched::{roles_of_ours, username},
};
use crate::support::{
    builders::{self, id},
    environment::{Login, environment},
    keycloak::Keycloak,
    person,
    realm::TestRealm,
    waiting::until,
};

async fn keycloaks_database() -> Result<PgConnection> {
    let url = environment()
        .databases
        .get("keycloak")
        .context("Keycloak has a database")?;
    Ok(PgConnection::connect(url.as_str()).await?)
}

/// Renames somebody of `realm` again and again until the bridge has read an event that is later than `passed`.
async fn pass(bridge: &OwnBridge, realm: &str, person: Uuid, passed: DateTime<Utc>) -> Result<()> {
    let mut count = 0;
    until("looks have passed the event", || {
        count += 1;
        let name = json!({"firstName": format!("Early {count}")});
        async move {
            let keycloak = Keycloak::log_in_at(realm).await?;
            keycloak.change_person(person, &name).await?;
            Ok(bridge.state().await?.last_event_at > Some(passed))
        }
    })
    .await
}

#[tokio::test]
async fn an_event_that_becomes_visible_behind_later_ones_is_not_missed() -> Result<()> {
    let mut bridge = OwnBridge::open(&environment().realm, QUICK).await?;
    let keycloak = Keycloak::log_in().await?;
    let late = keycloak.create_person(&username()).await?;
    let early = keycloak.create_person(&username()).await?;
    bridge.next_about(late).await?.body::<UserCreated>()?;

    // Keycloak stamps the event and then waits for the row before it commits both.
    let mut database = keycloaks_database().await?;
    let mut holding = database.begin().await?;
    let lock = format!("SELECT FROM user_entity WHERE id = '{late}' FOR UPDATE");
    holding.execute(AssertSqlSafe(lock)).await?;
    let began = builders::now();
    let name = json!({"firstName": "Late"});
    let path = format!("users/{late}");
    let editing = keycloak.send(Method::PUT, &path, &name);
    let others = async {
        // Later events are seen, until looks do not reach back to the waiting one any more.
        let passed = began + TimeDelta::seconds(3);
        pass(&bridge, &environment().realm, early, passed).await?;
        holding.commit().await?;
        Ok(())
    };
    let (edited, held) = tokio::join!(editing, others);
    held.and(edited)?;

    let message = bridge.next_about(late).await?.body::<UserChanged>()?;
    assert!(
        message.timestamp < began + TimeDelta::seconds(2),
        "{} is the time of the commit, not of the change at {began}",
        message.timestamp
    );
    let told = bridge.user(late).await?.context("the person lives")?;
    assert_eq!(told.first_name, "Late");
    for person in [late, early] {
        Keycloak::log_in().await?.delete_person(person).await?;
    }
    bridge.remove().await
}

#[tokio::test]
async fn people_whom_no_event_told_of_are_found_by_comparison() -> Result<()> {
    let imported =
        json!({"username": "imported", "enabled": true, "realmRoles": ["manager", "employee"]});
    let realm = TestRealm::import(&[imported]).await?;
    let keycloak = realm.log_in().await?;
    let imported = super::watched::find(&keycloak, "imported").await?;
    let mut bridge = OwnBridge::open(&realm.name, QUICK).await?;
    bridge.next_about(imported).await?.body::<UserCreated>()?;
    let told = bridge
        .user(imported)
        .await?
        .context("the first comparison finds them")?;
    assert_eq!(roles_of_ours(&told), ["employee", "manager"]);

    // A directory's sync writes rows and no events.
    let synced = add_row(&realm.name).await?;
    let state = bridge.compare().await?;
    assert_eq!(state.alarm, None);
    let message = bridge.next_about(synced).await?.body::<UserCreated>()?;
    ensure!(Some(message.timestamp) <= state.compared_at);
    let told = bridge.user(synced).await?.context("they are found")?;
    assert_eq!(
        (told.username.as_str(), told.last_name.as_str()),
        ("synced", "Directory")
    );

    bridge.compare().await?;
    assert_eq!(bridge.rest().await?.len(), 0, "nothing differs any more");
    bridge.remove().await?;
    realm.remove().await
}

async fn add_row(realm: &str) -> Result<Uuid> {
    let person = id();
    let mut database = keycloaks_database().await?;
    sqlx::query(
        "INSERT INTO user_entity (id, email_constraint, email_verified, enabled, first_name, last_name, \
         realm_id, username, created_timestamp, not_before) \
         SELECT $1, $1, true, true, 'From', 'Directory', id, 'synced', 0, 0 FROM realm WHERE name = $2",
    )
    .bind(person.to_string())
    .bind(realm)
    .execute(&mut database)
    .await?;
    database.close().await?;
    Ok(person)
}

/// Keeps Keycloak's cache from learning of a change, as it does until a moment after the commit, and
/// answers the event of the change.
async fn rename_behind_the_cache(realm: &str, person: Uuid) -> Result<(String, DateTime<Utc>)> {
    let (event, at) = (id().to_string(), builders::now().trunc_subsecs(3));
    let mut database = keycloaks_database().await?;
    let mut change = database.begin().await?;
    sqlx::query("UPDATE user_entity SET first_name = 'Renamed' WHERE id = $1")
        .bind(person.to_string())
        .execute(&mut *change)
        .await?;
    sqlx::query(
        "INSERT INTO admin_event_entity (id, admin_event_time, realm_id, operation_type, resource_type, resource_path) \
         SELECT $1, $2, id, 'UPDATE', 'USER', $3 FROM realm WHERE name = $4",
    )
    .bind(&event)
    .bind(at.timestamp_millis())
    .bind(format!("users/{person}"))
    .bind(realm)
    .execute(&mut *change)
    .await?;
    change.commit().await?;
    database.close().await?;
    Ok((event, at))
}

#[tokio::test]
async fn a_change_that_keycloaks_cache_shows_after_its_event_is_found_soon_and_bears_its_time()
-> Result<()> {
    let realm = TestRealm::import(&[]).await?;
    let patient = "poll_ms = 100
        overlap_seconds = 1
        read_again_ms = 8000
        deep_poll_seconds = 600";
    let mut bridge = OwnBridge::open(&realm.name, patient).await?;
    let keycloak = realm.log_in().await?;
    let person = keycloak.create_person("peter").await?;
    let other = keycloak.create_person("paul").await?;
    bridge.next_about(person).await?.body::<UserCreated>()?;

    // Every realm shares the cache, and only what is done to the one that is watched is an event of it.
    let master = Keycloak::log_in_at("master").await?;
    keycloak.get(&format!("users/{person}")).await?;
    let (event, at) = rename_behind_the_cache(&realm.name, person).await?;
    let is_it = format!("event_id = '{event}'");
    until("the bridge has read them for the event", || async {
        Ok(bridge.database.count("seen_event", &is_it).await? == 1)
    })
    .await?;
    let told = bridge.user(person).await?.context("the person lives")?;
    assert_eq!(told.first_name, "Test", "the cache answers as before");

    master
        .send(Method::POST, "clear-user-cache", &json!(null))
        .await?;
    // The second reading for the creation comes first, and leaves the change to its own event, to which no
    // look reaches back any more.
    pass(&bridge, &realm.name, other, at + TimeDelta::seconds(2)).await?;
    let message = bridge.next_about(person).await?.body::<UserChanged>()?;
    assert_eq!(message.timestamp(), at);
    let told = bridge.user(person).await?.context("the person lives")?;
    assert_eq!(told.first_name, "Renamed");
    bridge.remove().await?;
    realm.remove().await
}

async fn fail_to_log_in(realm: &TestRealm) {
    let wrong = Login {
        username: "peter".to_owned(),
        password: "wrong".to_owned(),
    };
    person::log_in(&realm.name, &wrong)
        .await
        .expect_err("a wrong password logs nobody in");
}

#[tokio::test]
async fn only_a_permanent_lockout_disables_a_person() -> Result<()> {
    let realm = TestRealm::import(&[]).await?;
    let mut bridge = OwnBridge::open(&realm.name, QUICK).await?;
    realm
        .change(&json!({"failureFactor": 1, "permanentLockout": false}))
        .await?;
    let keycloak = realm.log_in().await?;
    let person = keycloak.create_person("peter").await?;
    bridge.next_about(person).await?.body::<UserCreated>()?;

    fail_to_log_in(&realm).await;
    let failures = format!("attack-detection/brute-force/users/{person}");
    until("the person is locked out for a while", || async {
        Ok(realm.log_in().await?.get(&failures).await?["disabled"] == true)
    })
    .await?;
    let keycloak = realm.log_in().await?;
    keycloak
        .send(Method::DELETE, &failures, &json!(null))
        .await?;
    realm.change(&json!({"permanentLockout": true})).await?;
    fail_to_log_in(&realm).await;

    // That this is the next message shows that the first lockout was none.
    let message = bridge.next_about(person).await?.body::<UserChanged>()?;
    let kind = "USER_DISABLED_BY_PERMANENT_LOCKOUT";
    assert_eq!(message.timestamp(), realm.event_time(person, kind).await?);
    let told = bridge.user(person).await?.context("the person lives")?;
    assert!(!told.enabled);
    bridge.remove().await?;
    realm.remove().await
}
