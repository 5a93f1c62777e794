//! Reads users anew from Keycloak; what an event carries is never trusted (it may be absent or partial).

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use super::{SyncError, Syncer, check};
use crate::{
    admin::{Keycloak, KeycloakError, Profile},
    user::{Observation, UserState},
};

/// Reads that wait for their turn at the client at once.
const READS_AT_ONCE: usize = 16;

impl<K: Keycloak> Syncer<K> {
    /// Reads the users in doubt, each since the time given; accounts of clients drop out.
    pub(super) async fn observe(
        &self,
        suspects: impl IntoIterator<Item = (Uuid, DateTime<Utc>)> + Send,
    ) -> Result<Vec<Observation>, SyncError> {
        let suspects: Vec<_> = suspects.into_iter().collect();
        let observed: Vec<Option<Observation>> = stream::iter(suspects)
            .map(|(user_id, at)| self.observe_user(user_id, at))
            .buffer_unordered(READS_AT_ONCE)
            .try_collect()
            .await?;
        self.trusted(observed.into_iter().flatten().collect()).await
    }

    /// Reads the roles of users whose profiles are at hand.
    pub(super) async fn observe_profiles(
        &self,
        profiles: Vec<Profile>,
        at: DateTime<Utc>,
    ) -> Result<Vec<Observation>, SyncError> {
        let people: Vec<_> = profiles
            .into_iter()
            .filter_map(|profile| Some((profile.person()?, profile)))
            .collect();
        let observed: Vec<Observation> = stream::iter(people)
            .map(|(user_id, profile)| self.observe_roles(user_id, profile, at))
            .buffer_unordered(READS_AT_ONCE)
            .try_collect()
            .await?;
        self.trusted(observed).await
    }

    async fn observe_user(
        &self,
        user_id: Uuid,
        at: DateTime<Utc>,
    ) -> Result<Option<Observation>, KeycloakError> {
        match self.keycloak.user(user_id).await? {
            Some(profile) if profile.person().is_none() => Ok(None),
            Some(profile) => self.observe_roles(user_id, profile, at).await.map(Some),
            None => Ok(Some(gone(user_id, at))),
        }
    }

    async fn observe_roles(
        &self,
        user_id: Uuid,
        profile: Profile,
        at: DateTime<Utc>,
    ) -> Result<Observation, KeycloakError> {
        let Some(roles) = self.keycloak.roles(user_id).await? else {
            return Ok(gone(user_id, at));
        };
        Ok(Observation {
            user_id,
            state: Some(user_state(profile, roles)),
            at,
        })
    }

    /// Nobody is believed to have lost all roles before somebody else is seen to hold one.
    async fn trusted(&self, observations: Vec<Observation>) -> Result<Vec<Observation>, SyncError> {
        let is_suspicious = observations.iter().any(|observed| {
            observed
                .state
                .as_ref()
                .is_some_and(|state| state.roles.is_empty())
        });
        if is_suspicious {
            check::role_holder(&self.keycloak).await?;
        }
        Ok(observations)
    }
}

fn gone(user_id: Uuid, at: DateTime<Utc>) -> Observation {
    Observation {
        user_id,
        state: None,
        at,
    }
}

fn user_state(profile: Profile, mut roles: Vec<String>) -> UserState {
    roles.sort_unstable();
    roles.dedup();
    UserState {
        username: profile.username,
        email: profile.email,
        first_name: profile.first_name.unwrap_or_default(),
        last_name: profile.last_name.unwrap_or_default(),
        roles,
        is_enabled: profile.enabled,
    }
}
