//! The person behind a request to a page, and what a page may ask of them.

use std::{collections::BTreeSet, marker::PhantomData, ops::Deref, sync::Arc};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
    response::Response,
};
use contracts::identity::Role;
use uuid::Uuid;

use super::{CsrfToken, WebAuth, opaque::Opaque, person::KnownPerson};
use crate::ui::{Person, Viewer};

/// Somebody who is logged in, with the rights of this moment (DESIGN.md section 9).
///
/// As an extractor it leads people without a session to the login and answers scripts 401.
#[derive(Debug, Clone)]
pub struct Principal {
    person: Arc<KnownPerson>,
    csrf: CsrfToken,
}

impl Principal {
    pub(super) fn new(person: KnownPerson, session: &Opaque) -> Self {
        Self {
            person: Arc::new(person),
            csrf: CsrfToken::of(session),
        }
    }

    /// Keycloak's id of the person.
    #[must_use]
    pub fn user_id(&self) -> Uuid {
        self.person.user_id
    }

    /// The login name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.person.username
    }

    /// The mail address, when there is one.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.person.email.as_deref()
    }

    /// Every role that means something here.
    #[must_use]
    pub fn roles(&self) -> &BTreeSet<Role> {
        &self.person.roles
    }

    /// Whether one of `roles` is theirs.
    #[must_use]
    pub fn has_any(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.person.roles.contains(role))
    }

    /// Goes on only for somebody with one of `allowed`.
    ///
    /// # Errors
    /// [`Forbidden`], which [`WebAuth::forbidden`] turns into a page.
    pub fn require(&self, allowed: &'static [Role]) -> Result<&Self, Forbidden> {
        if self.has_any(allowed) {
            Ok(self)
        } else {
            Err(Forbidden { allowed })
        }
    }

    /// The token that every form of this session carries.
    #[must_use]
    pub fn csrf(&self) -> &CsrfToken {
        &self.csrf
    }

    /// The name and colour that pages show.
    #[must_use]
    pub fn as_person(&self) -> Person {
        let KnownPerson {
            user_id,
            first_name,
            last_name,
            username,
            ..
        } = self.person.as_ref();
        Person::from_names(*user_id, first_name, last_name, username)
    }

    /// Who looks, for the frame of a page.
    #[must_use]
    pub fn viewer(&self) -> Viewer {
        Viewer {
            person: self.as_person(),
            roles: self.person.roles.iter().copied().collect(),
            csrf_token: self.csrf.to_string(),
        }
    }
}

/// Somebody asked for what other roles may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another role is needed")]
pub struct Forbidden {
    /// Who may.
    pub allowed: &'static [Role],
}

impl Forbidden {
    /// One sentence that says who may: "Only managers and administrators may do this."
    #[must_use]
    pub fn who(&self) -> String {
        let names: Vec<_> = self.allowed.iter().map(|role| format!("{role}s")).collect();
        match names.as_slice() {
            [] => "Nobody may do this.".to_owned(),
            [one] => format!("Only {one} may do this."),
            [first @ .., last] => format!("Only {} and {last} may do this.", first.join(", ")),
        }
    }
}

/// What a page or an action asks for.
///
/// ```
/// use contracts::identity::Role;
///
/// struct Reshuffle;
/// impl platform::auth::Permission for Reshuffle {
///     const ALLOWED: &'static [Role] = &[Role::Manager, Role::Administrator];
/// }
/// ```
pub trait Permission {
    /// The roles that have it.
    const ALLOWED: &'static [Role];
}

/// Somebody who was found to have the permission `P`; others get a page that says who may.
#[derive(Debug, Clone)]
pub struct Allowed<P> {
    principal: Principal,
    permission: PhantomData<fn() -> P>,
}

impl<P> Allowed<P> {
    /// The person.
    #[must_use]
    pub fn into_principal(self) -> Principal {
        self.principal
    }
}

impl<P> Deref for Allowed<P> {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

impl<S> FromRequestParts<S> for Principal
where
    S: Send + Sync,
    WebAuth: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        if let Some(principal) = parts.extensions.get::<Self>() {
            return Ok(principal.clone());
        }
        let principal = WebAuth::from_ref(state).principal(parts).await?;
        parts.extensions.insert(principal.clone());
        Ok(principal)
    }
}

impl<P, S> FromRequestParts<S> for Allowed<P>
where
    P: Permission,
    S: Send + Sync,
    WebAuth: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let principal = Principal::from_request_parts(parts, state).await?;
        match principal.require(P::ALLOWED) {
            Ok(_) => Ok(Self {
                principal,
                permission: PhantomData,
            }),
            Err(forbidden) => {
                let web = WebAuth::from_ref(state);
                Err(web.forbidden(&principal, forbidden, &parts.headers))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Sources;

    fn principal(roles: &[Role]) -> Principal {
        let person = KnownPerson {
            user_id: Uuid::from_u128(1),
            username: "ann".to_owned(),
            email: None,
            first_name: "Ann".to_owned(),
            last_name: String::new(),
            roles: roles.iter().copied().collect(),
        };
        Principal::new(person, &Opaque::new(&Sources::system()))
    }

    #[test]
    fn one_of_the_roles_is_enough() {
        let allowed = &[Role::Manager, Role::Administrator];
        principal(&[Role::Employee, Role::Manager])
            .require(allowed)
            .unwrap();
        let refusal = principal(&[Role::Employee]).require(allowed).unwrap_err();
        assert_eq!(
            refusal.who(),
            "Only managers and administrators may do this."
        );
    }

    #[test]
    fn a_refusal_says_who_may() {
        let who = |allowed| Forbidden { allowed }.who();
        assert_eq!(who(&[Role::Accountant]), "Only accountants may do this.");
        assert_eq!(
            who(&[Role::Accountant, Role::Manager, Role::Administrator]),
            "Only accountants, managers and administrators may do this."
        );
    }
}
