//! The links of the bridge are cut, reset, delayed, throttled and silenced while people change.

use anyhow::{Context as _, Result};
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

#[tokio::test]
async fn each_change_is_said_once_at_its_own_time_while_everything_around_comes_and_goes()
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
    assert_eq!(times, &event_times(person).await?);
    Keycloak::log_in().await?.delete_person(person).await?;
    bridge.remove().await
}
