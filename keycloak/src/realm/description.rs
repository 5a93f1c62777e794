//! A realm taken apart into what has a name, its settings, and the links between.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    RealmError,
    json::{
        ClientJson, ClientScopeJson, GroupJson, MapperJson, RealmJson, Rest, RoleJson,
        ScopeMappingJson, UserJson,
    },
    things::{Link, Owner, Relation, Thing},
};

/// Settings by name. Those of a group of settings, such as the attributes of a client, stand under
/// `group.name`; lists are sorted, since Keycloak keeps no order.
pub(super) type Settings = BTreeMap<String, Value>;

/// Fields that say again what the place of a thing or its links say.
const REDUNDANT: [&str; 6] = [
    "clientRole",
    "composite",
    "containerId",
    "parentId",
    "path",
    "subGroupCount",
];

/// A realm, be it in its file or in Keycloak.
#[derive(Debug, Clone, Default)]
pub struct Description {
    pub(super) settings: BTreeMap<Thing, Settings>,
    pub(super) links: BTreeSet<Link>,
    /// Keycloak's ids of the parts; a file has none.
    pub(super) ids: BTreeMap<Thing, String>,
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) has_groups: bool,
}

impl Description {
    /// Reads a realm file or an export.
    ///
    /// # Errors
    /// [`RealmError::Shape`].
    pub(super) fn from_json(json: Value) -> Result<Self, RealmError> {
        let realm: RealmJson = serde_json::from_value(json).map_err(RealmError::Shape)?;
        let mut description = Self {
            has_groups: realm.groups.is_some(),
            ..Self::default()
        };
        description.add_roles(realm.roles.realm, Thing::Role);
        for (client, roles) in realm.roles.client {
            description.add_roles(roles, |role| Thing::ClientRole {
                client: client.clone(),
                role,
            });
        }
        for scope in realm.client_scopes {
            description.add_client_scope(scope);
        }
        for client in realm.clients {
            description.add_client(client);
        }
        for group in realm.groups.into_iter().flatten() {
            description.add_group("", group);
        }
        for user in realm.users {
            description.add_service_account(user);
        }
        description.add_role_scopes(realm.scope_mappings, Thing::Role);
        for (client, mappings) in realm.client_scope_mappings {
            description.add_role_scopes(mappings, |role| Thing::ClientRole {
                client: client.clone(),
                role,
            });
        }
        let scopes = [
            (Relation::Default, realm.default_default_client_scopes),
            (Relation::Optional, realm.default_optional_client_scopes),
        ];
        description.add_scopes(&Thing::Realm, scopes);
        for path in realm.default_groups {
            description.link(&Thing::Realm, Relation::DefaultGroup, Thing::Group(path));
        }
        description.add(Thing::Realm, realm.id, realm.rest);
        Ok(description)
    }

    /// The name of the realm.
    pub(super) fn realm(&self) -> &str {
        let settings = self.settings.get(&Thing::Realm);
        settings
            .and_then(|settings| settings.get("realm")?.as_str())
            .unwrap_or_default()
    }

    fn add(&mut self, thing: Thing, id: Option<String>, rest: Rest) {
        if let Some(id) = id {
            self.ids.insert(thing.clone(), id);
        }
        self.settings.insert(thing, flat(rest));
    }

    fn link(&mut self, from: &Thing, relation: Relation, to: Thing) {
        self.links.insert(Link {
            from: from.clone(),
            relation,
            to,
        });
    }

    fn add_roles(&mut self, roles: Vec<RoleJson>, thing: impl Fn(String) -> Thing) {
        for role in roles {
            let itself = thing(role.name);
            let composites = role.composites;
            self.add_role_links(
                &itself,
                Relation::Includes,
                composites.realm,
                composites.client,
            );
            self.add(itself, role.id, role.rest);
        }
    }

    fn add_role_links(
        &mut self,
        from: &Thing,
        relation: Relation,
        of_realm: Vec<String>,
        of_clients: BTreeMap<String, Vec<String>>,
    ) {
        for role in of_realm {
            self.link(from, relation, Thing::Role(role));
        }
        for (client, roles) in of_clients {
            for role in roles {
                let client = client.clone();
                self.link(from, relation, Thing::ClientRole { client, role });
            }
        }
    }

    fn add_client_scope(&mut self, scope: ClientScopeJson) {
        let owner = Owner::ClientScope(scope.name.clone());
        self.add_mappers(&owner, scope.protocol_mappers);
        self.add(Thing::ClientScope(scope.name), scope.id, scope.rest);
    }

    fn add_client(&mut self, client: ClientJson) {
        let owner = Owner::Client(client.client_id.clone());
        self.add_mappers(&owner, client.protocol_mappers);
        let itself = Thing::from(owner);
        let scopes = [
            (Relation::Default, client.default_client_scopes),
            (Relation::Optional, client.optional_client_scopes),
        ];
        self.add_scopes(&itself, scopes);
        if let Some(secret) = client.secret {
            self.secrets.insert(client.client_id, secret);
        }
        self.add(itself, client.id, client.rest);
    }

    fn add_mappers(&mut self, owner: &Owner, mappers: Vec<MapperJson>) {
        for mapper in mappers {
            let owner = owner.clone();
            let name = mapper.name;
            self.add(Thing::Mapper { owner, name }, mapper.id, mapper.rest);
        }
    }

    fn add_scopes(&mut self, of: &Thing, scopes: [(Relation, Vec<String>); 2]) {
        for (relation, names) in scopes {
            for name in names {
                self.link(of, relation, Thing::ClientScope(name));
            }
        }
    }

    fn add_group(&mut self, above: &str, group: GroupJson) {
        let path = format!("{above}/{}", group.name);
        let itself = Thing::Group(path.clone());
        self.add_role_links(
            &itself,
            Relation::Holds,
            group.realm_roles,
            group.client_roles,
        );
        self.add(itself, group.id, group.rest);
        for below in group.sub_groups {
            self.add_group(&path, below);
        }
    }

    fn add_service_account(&mut self, user: UserJson) {
        let Some(client) = user.service_account_client_id else {
            return;
        };
        let itself = Thing::ServiceAccount(client);
        self.add_role_links(
            &itself,
            Relation::Holds,
            user.realm_roles,
            user.client_roles,
        );
        if let Some(id) = user.id {
            self.ids.insert(itself, id);
        }
    }

    fn add_role_scopes(
        &mut self,
        mappings: Vec<ScopeMappingJson>,
        thing: impl Fn(String) -> Thing,
    ) {
        for mapping in mappings {
            let of_scope = mapping.client_scope.map(Thing::ClientScope);
            let Some(from) = mapping.client.map(Thing::Client).or(of_scope) else {
                continue;
            };
            for role in mapping.roles {
                self.link(&from, Relation::MayName, thing(role));
            }
        }
    }
}

/// Groups of settings taken apart, lists sorted.
fn flat(rest: Rest) -> Settings {
    let mut settings = Settings::new();
    for (name, value) in rest {
        if REDUNDANT.contains(&name.as_str()) {
            continue;
        }
        match value {
            Value::Object(group) => {
                let of_group = group.into_iter().map(|(inner, value)| {
                    let name = format!("{name}.{inner}");
                    (name, sorted(value))
                });
                settings.extend(of_group);
            }
            value => {
                settings.insert(name, sorted(value));
            }
        }
    }
    settings
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(mut items) => {
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        value => value,
    }
}
