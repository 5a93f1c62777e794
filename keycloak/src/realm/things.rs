//! What a realm consists of, and how its parts are linked.

use std::fmt;

/// A part of a realm that has a name of its own. The order is one in which parts can be made: each
/// comes after those that it cannot exist without.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// The realm with its own settings.
    Realm,
    /// A realm role.
    Role(String),
    /// A client scope.
    ClientScope(String),
    /// A client, by its client id.
    Client(String),
    /// A role of a client.
    ClientRole {
        /// The client.
        client: String,
        /// The role's name.
        role: String,
    },
    /// A protocol mapper: what puts a claim into tokens.
    Mapper {
        /// Where it belongs.
        owner: Owner,
        /// Its name there.
        name: String,
    },
    /// The account that a client has for itself; it comes and goes with the client.
    ServiceAccount(String),
    /// A group, by its path.
    Group(String),
}

/// What has protocol mappers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A client, by its client id.
    Client(String),
    /// A client scope.
    ClientScope(String),
}

impl From<Owner> for Thing {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::Client(name) => Self::Client(name),
            Owner::ClientScope(name) => Self::ClientScope(name),
        }
    }
}

impl Thing {
    /// The client that this is or belongs to.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        match self {
            Self::Client(client)
            | Self::ClientRole { client, .. }
            | Self::ServiceAccount(client)
            | Self::Mapper {
                owner: Owner::Client(client),
                ..
            } => Some(client),
            Self::Realm
            | Self::Role(_)
            | Self::ClientScope(_)
            | Self::Mapper { .. }
            | Self::Group(_) => None,
        }
    }

    /// What it belongs to and is deleted with.
    #[must_use]
    pub fn owner(&self) -> Option<Self> {
        match self {
            Self::Mapper { owner, .. } => Some(owner.clone().into()),
            Self::ClientRole { client, .. } | Self::ServiceAccount(client) => {
                Some(Self::Client(client.clone()))
            }
            Self::Group(path) => {
                let (above, _) = path.rsplit_once('/')?;
                (!above.is_empty()).then(|| Self::Group(above.to_owned()))
            }
            Self::Realm | Self::Role(_) | Self::ClientScope(_) | Self::Client(_) => None,
        }
    }

    /// Its name among its like.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Realm => "",
            Self::Role(name)
            | Self::ClientScope(name)
            | Self::Client(name)
            | Self::ServiceAccount(name)
            | Self::ClientRole { role: name, .. }
            | Self::Mapper { name, .. } => name,
            Self::Group(path) => path.rsplit('/').next().unwrap_or(path),
        }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Realm => write!(f, "realm"),
            Self::Role(name) => write!(f, "role {name}"),
            Self::ClientScope(name) => write!(f, "client scope {name}"),
            Self::Client(name) => write!(f, "client {name}"),
            Self::ClientRole { client, role } => write!(f, "role {role} of client {client}"),
            Self::Mapper { owner, name } => {
                write!(f, "mapper \"{name}\" of {}", Self::from(owner.clone()))
            }
            Self::ServiceAccount(client) => write!(f, "service account of {client}"),
            Self::Group(path) => write!(f, "group {path}"),
        }
    }
}

/// How one part of a realm refers to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// A composite role holds a role.
    Includes,
    /// A service account or the members of a group hold a role.
    Holds,
    /// Tokens of a client, or with a client scope, may name a role.
    MayName,
    /// Tokens of a client always have a scope; of the realm: clients made later do.
    Default,
    /// Tokens of a client have a scope when they ask for it; of the realm as above.
    Optional,
    /// People made later join a group.
    DefaultGroup,
}

/// One part of a realm refers to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The part that refers.
    pub from: Thing,
    /// How.
    pub relation: Relation,
    /// The part that is referred to.
    pub to: Thing,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, relation, to } = self;
        match relation {
            Relation::Includes | Relation::Holds => write!(f, "{from} gives {to}"),
            Relation::MayName => write!(f, "{from} may name {to} in tokens"),
            Relation::Default | Relation::DefaultGroup => {
                write!(f, "{from} has the default {to}")
            }
            Relation::Optional => write!(f, "{from} has the optional {to}"),
        }
    }
}
