//! The guard against mass deletion, and what an administrator may do about it.

use anyhow::Result;
use contracts::{
    identity::UserDeleted,
    operations::{AcceptDeletions, BridgeState},
};
use reqwest::StatusCode;
use uuid::Uuid;

use super::own::{OwnBridge, QUICK};
use crate::support::{builders::id, environment::environment};

/// More than may be missing at once, and more than anybody else's test takes away meanwhile.
const GHOSTS: usize = 30;

/// Lets the bridge believe in people whom Keycloak never had, as if all of them had vanished there.
async fn add_ghosts(bridge: &OwnBridge) -> Result<Vec<Uuid>> {
    let ghosts: Vec<Uuid> = (0..GHOSTS).map(|_| id()).collect();
    sqlx::query(
        "INSERT INTO auth_user (user_id, username, email, first_name, last_name, roles, is_enabled, \
         is_deleted, changed_at) SELECT id, id::text, NULL, 'A', 'Ghost', '{employee}', true, false, \
         now() - interval '1 day' FROM unnest($1::uuid[]) AS id",
    )
    .bind(&ghosts)
    .execute(&bridge.database.owned)
    .await?;
    Ok(ghosts)
}

fn missing(state: &BridgeState) -> u64 {
    state.alarm.as_ref().map_or(0, |alarm| alarm.missing)
}

fn acceptance(asked_by: Uuid, missing: u64, reason: &str) -> AcceptDeletions {
    AcceptDeletions {
        asked_by,
        reason: reason.to_owned(),
        missing,
    }
}

#[tokio::test]
async fn many_missing_users_are_deleted_only_after_an_administrator_accepted_it_once() -> Result<()>
{
    let mut bridge = OwnBridge::open(&environment().realm, QUICK).await?;
    let ghosts = add_ghosts(&bridge).await?;
    let state = bridge.compare().await?;
    // Somebody else's test may have deleted a person just now.
    assert!(missing(&state) >= 30, "{state:?}");
    let alarm = state.alarm.expect("an alarm is raised");
    assert!(
        alarm.known > alarm.missing && alarm.allowed < 30,
        "{alarm:?}"
    );
    assert!(bridge.user(ghosts[0]).await?.is_some());

    let ann = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0001);
    let path = "/operations/accept-deletions";
    let without_reason = acceptance(ann, alarm.missing, "  ");
    let answer = bridge.post(path, &without_reason).await?;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let not_as_shown = acceptance(ann, alarm.missing + 1, "the branch was closed");
    let answer = bridge.post(path, &not_as_shown).await?;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    let accepted = acceptance(ann, alarm.missing, "the branch was closed");
    let answer = bridge.post(path, &accepted).await?;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);

    bridge
        .state_when("the alarm is over", |state| state.alarm.is_none())
        .await?;
    for ghost in ghosts {
        bridge.next_about(ghost).await?.body::<UserDeleted>()?;
        assert!(bridge.user(ghost).await?.is_none());
    }
    let audited =
        "actor_name = 'ann' AND action = 'accept_deletions' AND reason = 'the branch was closed'";
    assert_eq!(bridge.database.count("operations_audit", audited).await?, 1);

    // It counted once.
    let ghosts = add_ghosts(&bridge).await?;
    assert!(missing(&bridge.compare().await?) >= 30);
    assert!(bridge.user(ghosts[0]).await?.is_some());
    assert_eq!(
        bridge
            .database
            .count("operations_audit", "action = 'compare'")
            .await?,
        2
    );
    bridge.remove().await
}
