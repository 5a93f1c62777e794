//! The shape of a realm file, which is the shape of Keycloak's export: what has a name, and the rest as it comes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Fields by name that are settings and nothing more.
pub(super) type Rest = Map<String, Value>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RealmJson {
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) roles: RolesJson,
    /// Groups are often people's business: without this field they are not compared.
    pub(super) groups: Option<Vec<GroupJson>>,
    #[serde(default)]
    pub(super) default_groups: Vec<String>,
    #[serde(default)]
    pub(super) clients: Vec<ClientJson>,
    #[serde(default)]
    pub(super) client_scopes: Vec<ClientScopeJson>,
    #[serde(default)]
    pub(super) default_default_client_scopes: Vec<String>,
    #[serde(default)]
    pub(super) default_optional_client_scopes: Vec<String>,
    #[serde(default)]
    pub(super) scope_mappings: Vec<ScopeMappingJson>,
    #[serde(default)]
    pub(super) client_scope_mappings: BTreeMap<String, Vec<ScopeMappingJson>>,
    #[serde(default)]
    pub(super) users: Vec<UserJson>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

/// Roles by name: those of the realm, and those of each client.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RolesJson {
    #[serde(default)]
    pub(super) realm: Vec<RoleJson>,
    #[serde(default)]
    pub(super) client: BTreeMap<String, Vec<RoleJson>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoleJson {
    pub(super) id: Option<String>,
    pub(super) name: String,
    #[serde(default)]
    pub(super) composites: CompositesJson,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct CompositesJson {
    #[serde(default)]
    pub(super) realm: Vec<String>,
    #[serde(default)]
    pub(super) client: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupJson {
    pub(super) id: Option<String>,
    pub(super) name: String,
    #[serde(default)]
    pub(super) sub_groups: Vec<GroupJson>,
    #[serde(default)]
    pub(super) realm_roles: Vec<String>,
    #[serde(default)]
    pub(super) client_roles: BTreeMap<String, Vec<String>>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientJson {
    pub(super) id: Option<String>,
    pub(super) client_id: String,
    pub(super) secret: Option<String>,
    #[serde(default)]
    pub(super) protocol_mappers: Vec<MapperJson>,
    #[serde(default)]
    pub(super) default_client_scopes: Vec<String>,
    #[serde(default)]
    pub(super) optional_client_scopes: Vec<String>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientScopeJson {
    pub(super) id: Option<String>,
    pub(super) name: String,
    #[serde(default)]
    pub(super) protocol_mappers: Vec<MapperJson>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Debug, Deserialize)]
pub(super) struct MapperJson {
    pub(super) id: Option<String>,
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

/// Roles that the tokens of a client, or with a client scope, may name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScopeMappingJson {
    pub(super) client: Option<String>,
    pub(super) client_scope: Option<String>,
    #[serde(default)]
    pub(super) roles: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserJson {
    pub(super) id: Option<String>,
    pub(super) service_account_client_id: Option<String>,
    #[serde(default)]
    pub(super) realm_roles: Vec<String>,
    #[serde(default)]
    pub(super) client_roles: BTreeMap<String, Vec<String>>,
}
