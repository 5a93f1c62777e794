//! Where the parts of a realm and the links between them are in Keycloak's admin REST interface.

use serde_json::{Value, json};

use super::{
    RealmError,
    description::Description,
    things::{Link, Relation, Thing},
};

/// Where a link is made and unmade.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) path: String,
    /// What names the other end, unless the path does.
    pub(super) body: Option<Value>,
}

impl Description {
    /// Every client with its path.
    pub(super) fn paths_of_clients(&self) -> impl Iterator<Item = (&str, String)> {
        self.ids.iter().filter_map(|(thing, id)| match thing {
            Thing::Client(client) => Some((client.as_str(), format!("clients/{id}"))),
            _ => None,
        })
    }

    fn id_of(&self, thing: &Thing) -> Result<&str, RealmError> {
        let id = self.ids.get(thing).map(String::as_str);
        id.ok_or_else(|| RealmError::Absent(thing.clone()))
    }

    /// Where a thing is read, changed and deleted.
    pub(super) fn path_of(&self, thing: &Thing) -> Result<String, RealmError> {
        if *thing == Thing::Realm {
            return Ok(String::new());
        }
        let id = self.id_of(thing)?;
        Ok(match thing {
            Thing::Realm => String::new(),
            Thing::Role(_) | Thing::ClientRole { .. } => format!("roles-by-id/{id}"),
            Thing::ClientScope(_) => format!("client-scopes/{id}"),
            Thing::Client(_) => format!("clients/{id}"),
            Thing::Mapper { .. } => format!("{}/{id}", self.collection_of(thing)?),
            Thing::ServiceAccount(_) => format!("users/{id}"),
            Thing::Group(_) => format!("groups/{id}"),
        })
    }

    /// Where a thing is made.
    pub(super) fn collection_of(&self, thing: &Thing) -> Result<String, RealmError> {
        Ok(match thing {
            Thing::Realm | Thing::Role(_) => "roles".to_owned(),
            Thing::ClientScope(_) => "client-scopes".to_owned(),
            Thing::Client(_) => "clients".to_owned(),
            Thing::ClientRole { client, .. } => {
                format!("{}/roles", self.path_of(&Thing::Client(client.clone()))?)
            }
            Thing::Mapper { owner, .. } => {
                let owner = self.path_of(&Thing::from(owner.clone()))?;
                format!("{owner}/protocol-mappers/models")
            }
            Thing::ServiceAccount(_) => "users".to_owned(),
            Thing::Group(_) => match thing.owner() {
                Some(above) => format!("{}/children", self.path_of(&above)?),
                None => "groups".to_owned(),
            },
        })
    }

    /// Where a link is.
    pub(super) fn reference(&self, link: &Link) -> Result<Reference, RealmError> {
        let Link { from, relation, to } = link;
        let below = |segment: &str| {
            let path = self.path_of(from)?;
            Ok(match from {
                Thing::Realm => segment.to_owned(),
                _ => format!("{path}/{segment}"),
            })
        };
        let by_path = |segment: &str| {
            let path = format!("{}/{}", below(segment)?, self.id_of(to)?);
            Ok(Reference { path, body: None })
        };
        match (relation, from) {
            (Relation::Includes, _) => self.of_role(below("composites")?, to),
            (Relation::Holds, _) => {
                let path = below("role-mappings")?;
                self.of_role(format!("{path}/{}", self.whose(to)?), to)
            }
            (Relation::MayName, _) => {
                let path = below("scope-mappings")?;
                self.of_role(format!("{path}/{}", self.whose(to)?), to)
            }
            (Relation::Default, Thing::Realm) => by_path("default-default-client-scopes"),
            (Relation::Default, _) => by_path("default-client-scopes"),
            (Relation::Optional, Thing::Realm) => by_path("default-optional-client-scopes"),
            (Relation::Optional, _) => by_path("optional-client-scopes"),
            (Relation::DefaultGroup, _) => by_path("default-groups"),
        }
    }

    fn of_role(&self, path: String, role: &Thing) -> Result<Reference, RealmError> {
        let body = json!([{"id": self.id_of(role)?, "name": role.name()}]);
        Ok(Reference {
            path,
            body: Some(body),
        })
    }

    /// The last segment of a path to roles: those of the realm, or those of a client.
    fn whose(&self, role: &Thing) -> Result<String, RealmError> {
        match role.client() {
            None => Ok("realm".to_owned()),
            Some(client) => self.path_of(&Thing::Client(client.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::things::Owner, *};

    fn realm() -> Description {
        Description::from_json(json!({
            "roles": {"realm": [{"id": "r1", "name": "manager"}], "client": {"account": [{"id": "r2", "name": "view"}]}},
            "clients": [{"id": "c1", "clientId": "account", "protocolMappers": [{"id": "m1", "name": "aud"}]}],
            "clientScopes": [{"id": "s1", "name": "users:read"}],
            "groups": [{"id": "g1", "name": "north", "subGroups": [{"id": "g2", "name": "sales"}]}]
        }))
        .unwrap()
    }

    fn view() -> Thing {
        Thing::ClientRole {
            client: "account".to_owned(),
            role: "view".to_owned(),
        }
    }

    #[test]
    fn things_are_found_by_their_ids() {
        let mapper = Thing::Mapper {
            owner: Owner::Client("account".to_owned()),
            name: "aud".to_owned(),
        };
        let paths = [
            (Thing::Realm, ""),
            (Thing::Role("manager".to_owned()), "roles-by-id/r1"),
            (view(), "roles-by-id/r2"),
            (mapper, "clients/c1/protocol-mappers/models/m1"),
            (Thing::Group("/north/sales".to_owned()), "groups/g2"),
        ];
        for (thing, path) in paths {
            assert_eq!(realm().path_of(&thing).unwrap(), path);
        }
        let missing = realm()
            .path_of(&Thing::Role("boss".to_owned()))
            .unwrap_err();
        assert_eq!(missing.to_string(), "there is no role boss");
    }

    #[test]
    fn links_name_the_other_end_in_the_path_or_in_the_body() {
        let link = |from: Thing, relation: Relation, to: Thing| {
            let Reference { path, body } = realm().reference(&Link { from, relation, to }).unwrap();
            (path, body)
        };
        let scope = Thing::ClientScope("users:read".to_owned());
        assert_eq!(
            link(Thing::Realm, Relation::Optional, scope.clone()),
            ("default-optional-client-scopes/s1".to_owned(), None)
        );
        assert_eq!(
            link(scope, Relation::MayName, view()),
            (
                "client-scopes/s1/scope-mappings/clients/c1".to_owned(),
                Some(json!([{"id": "r2", "name": "view"}]))
            )
        );
        let manager = Thing::Role("manager".to_owned());
        assert_eq!(
            link(
                Thing::Group("/north".to_owned()),
                Relation::Holds,
                manager.clone()
            ),
            (
                "groups/g1/role-mappings/realm".to_owned(),
                Some(json!([{"id": "r1", "name": "manager"}]))
            )
        );
        assert_eq!(
            link(manager, Relation::Includes, view()).0,
            "roles-by-id/r1/composites"
        );
    }
}
