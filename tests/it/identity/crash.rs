//! The bridge is killed at every stage of its work, and loses and doubles nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use contracts::{
    Message as _,
    identity::{UserChanged, UserCreated},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    own::{OwnBridge, QUICK},
    watched::username,
};
use crate::support::{environment::environment, keycloak::Keycloak, waiting::until};

/// The people whose edits the bridge has to tell of, and as many kills: each comes one person later.
const PEOPLE: usize = 6;

#[tokio::test]
async fn a_bridge_that_is_killed_in_every_round_says_each_change_once_at_its_own_time() -> Result<()>
{
    let mut bridge = OwnBridge::prepare(&environment().realm, QUICK).await?;
    let mut process = bridge.spawn()?;
    until("the bridge is up", || bridge.is_up()).await?;
    // What the first comparison finds is as old as that, whatever the events say.
    bridge
        .state_when("it has compared everything", |state| {
            state.compared_at.is_some()
        })
        .await?;
    let mut people = Vec::new();
    for _ in 0..PEOPLE {
        people.push(Keycloak::log_in().await?.create_person(&username()).await?);
    }
    knows(&bridge, &people, "Test", PEOPLE).await?;

    for kill_after in 0..PEOPLE {
        let name = format!("Round {kill_after}");
        let (edited, known) = tokio::join!(
            edit(&people, &name),
            knows(&bridge, &people, &name, kill_after)
        );
        edited.and(known)?;
        process.kill().await?;
        process = bridge.spawn()?;
        knows(&bridge, &people, &name, PEOPLE).await?;
    }
    until("everything is published", || async {
        Ok(bridge.database.count("outbox", "true").await? == 0)
    })
    .await?;
    process.kill().await?;

    let said = said(&mut bridge).await?;
    for person in people {
        let times = said.get(&person).context("the person was told of")?;
        assert_eq!(times, &event_times(person).await?, "{person}");
        Keycloak::log_in().await?.delete_person(person).await?;
    }
    bridge.remove().await
}

pub(super) async fn edit(people: &[Uuid], first_name: &str) -> Result<()> {
    let keycloak = Keycloak::log_in().await?;
    for person in people {
        keycloak
            .change_person(*person, &json!({ "firstName": first_name }))
            .await?;
    }
    Ok(())
}

/// Waits until the copy has this name of at least `count` of the people.
pub(super) async fn knows(
    bridge: &OwnBridge,
    people: &[Uuid],
    first_name: &str,
    count: usize,
) -> Result<()> {
    until(
        &format!("{count} people are called {first_name}"),
        || async {
            let sql = "SELECT count(*) FROM auth_user WHERE user_id = ANY($1) AND first_name = $2";
            let known: i64 = sqlx::query_scalar(sql)
                .bind(people)
                .bind(first_name)
                .fetch_one(&bridge.database.owned)
                .await?;
            Ok(usize::try_from(known)? >= count)
        },
    )
    .await
}

/// The timestamps of all messages about each person. The relay may send a message twice, under one id.
pub(super) async fn said(bridge: &mut OwnBridge) -> Result<BTreeMap<Uuid, Vec<DateTime<Utc>>>> {
    let mut ids = BTreeSet::new();
    let mut said: BTreeMap<Uuid, Vec<DateTime<Utc>>> = BTreeMap::new();
    for heard in bridge.rest().await? {
        if !ids.insert(heard.message_id()?) {
            continue;
        }
        let (person, at) = if heard.key() == UserCreated::KEY {
            let body: UserCreated = heard.body()?;
            (body.user_id, body.timestamp)
        } else if heard.key() == UserChanged::KEY {
            let body: UserChanged = heard.body()?;
            (body.user_id, body.timestamp)
        } else {
            continue;
        };
        said.entry(person).or_default().push(at);
    }
    Ok(said)
}

/// When Keycloak says that the person was created and edited.
pub(super) async fn event_times(person: Uuid) -> Result<Vec<DateTime<Utc>>> {
    let path = format!("admin-events?resourcePath=users/{person}&direction=asc");
    let events = Keycloak::log_in().await?.get(&path).await?;
    let times = events.as_array().context("a list of events")?.iter();
    times
        .map(|event| {
            let millis = event["time"].as_i64().context("an event has a time")?;
            DateTime::from_timestamp_millis(millis).context("an instant")
        })
        .collect()
}
