//! What the auth bridge says of users: `auth.user.*` and its REST bodies.

use std::fmt;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{message::message, timestamp};

/// A user came to life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserCreated {
    /// The user.
    pub user_id: Uuid,
    /// When Keycloak made the change.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub timestamp: DateTime<Utc>,
}
message!(UserCreated, "auth.user.created", user_id);

/// Something other services can see of a user changed: name, mail, roles, enabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserChanged {
    /// The user.
    pub user_id: Uuid,
    /// When Keycloak made the change.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub timestamp: DateTime<Utc>,
}
message!(UserChanged, "auth.user.changed", user_id);

/// A user is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserDeleted {
    /// The user.
    pub user_id: Uuid,
    /// When Keycloak made the change.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub timestamp: DateTime<Utc>,
}
message!(UserDeleted, "auth.user.deleted", user_id);

/// A realm role that means something to the services (DESIGN.md section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Users and roles, operations, and everything the others see.
    Administrator,
    /// Reshuffles tasks and sees the earnings.
    Manager,
    /// Closes days and sees every account.
    Accountant,
    /// Everybody who is drawn for tasks.
    Employee,
}

impl Role {
    /// All roles, from the widest rights to the narrowest.
    pub const ALL: [Self; 4] = [
        Self::Administrator,
        Self::Manager,
        Self::Accountant,
        Self::Employee,
    ];

    /// The name of the realm role in Keycloak.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Manager => "manager",
            Self::Accountant => "accountant",
            Self::Employee => "employee",
        }
    }

    /// The role of that name, if it is one that means something here.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Answer of `GET /users/{uuid}`: a user as the bridge last saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// Keycloak's id of the user.
    pub user_id: Uuid,
    /// The login name.
    pub username: String,
    /// The mail address, when there is one.
    pub email: Option<String>,
    /// The first name, empty when unknown.
    pub first_name: String,
    /// The last name, empty when unknown.
    pub last_name: String,
    /// Effective realm roles, sorted by name, unknown ones included.
    pub roles: Vec<String>,
    /// Whether the user may log in.
    pub enabled: bool,
    /// When the user last changed: the timestamp of the newest `auth.user.*` message.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub changed_at: DateTime<Utc>,
    /// When the bridge last compared its copy with Keycloak.
    #[serde(with = "timestamp")]
    #[schemars(with = "DateTime<Utc>")]
    pub as_of: DateTime<Utc>,
}

/// Body of `POST /users/batch-get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BatchGetUsers {
    /// Up to 500 ids.
    pub ids: Vec<Uuid>,
}

/// Answer of `POST /users/batch-get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsersBatch {
    /// Those that live.
    pub users: Vec<User>,
    /// Those that are deleted or were never known; never those that could not be asked.
    pub missing: Vec<Uuid>,
}

/// Answer of `GET /users?after=&limit=`, ordered by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsersPage {
    /// The users of this page.
    pub users: Vec<User>,
    /// Pass it as `after` for the next page; absent on the last one.
    pub next: Option<Uuid>,
}
