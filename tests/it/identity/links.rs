//! The links of the bridge are cut, reset, delayed, throttled and silenced while people change.

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use tokio::time::sleep;

use super::{
    crash::{edit, event_times, knows, said},
    own::{OwnBridge, QUICK},
    watched::username,
};
use crate::support::{
    environment::environment,
    keycloak::Keycloak,
    proxy::{FAULTS, LASTS},
    waiting::until,
};

/// Demands one message for each change, not older than its event and older than the next one. A bridge that
/// lost the lead and has it again compares everybody, and what it finds so is as old as the finding.
fn assert_each_once(said: &[DateTime<Utc>], happened: &[DateTime<Utc>]) {
    let next = happened.iter().skip(1).map(Some).chain([None]);
    let is_told =
        |((said, at), next): ((_, _), Option<_>)| at <= said && next.is_none_or(|next| said < next);
    assert!(
        said.len() == happened.len() && said.iter().zip(happened).zip(next).all(is_told),
        "changed at {happened:?}, said at {said:?}"
    );
}

#[tokio::test]
async fn each_change_is_said_once_and_before_the_next_while_everything_around_comes_and_goes()
-> Result<()> {
    let realm = &environment().realm;
    let (mut bridge, links) = OwnBridge::prepare_behind_proxies(realm, QUICK).await?;
    bridge.start().await?;
    bridge
        .state_when("it has compared everything", |state| {
            state.compared_at.is_some()
        })
        .await?;
    let person = Keycloak::log_in().await?.create_person(&username()).await?;
    knows(&bridge, &[person], "Test", 1).await?;
    let faults = links
        .iter()
        .flat_map(|link| FAULTS.map(|fault| (link, fault)));
    for (round, (link, fault)) in faults.enumerate() {
        let name = format!("Round {round}");
        fault.strike(link).await;
        edit(&[person], &name).await?;
        sleep(LASTS).await;
        link.mend();
        knows(&bridge, &[person], &name, 1).await?;
    }
    until("everything is published", || async {
        Ok(bridge.database.count("outbox", "true").await? == 0)
    })
    .await?;
    let said = said(&mut bridge).await?;
    let times = said.get(&person).context("the person was told of")?;
    assert_each_once(times, &event_times(person).await?);
    Keycloak::log_in().await?.delete_person(person).await?;
    bridge.remove().await
}
