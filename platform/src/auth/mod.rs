//! Who is asking, and what that allows: tokens of machines, logins and sessions of people.
//!
//! Source: DESIGN.md sections 7 and 9. Tokens never reach a browser; rights of people are those of the
//! user cache at each request.

mod config;
mod cookie;
mod csrf;
pub mod expiry;
mod issuer;
mod login;
mod logout;
mod machine;
mod machine_token;
mod memory;
mod oidc;
mod opaque;
mod person;
mod principal;
mod provider;
mod return_to;
mod seal;
pub mod session;
mod store;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod token;
pub mod web;

pub use self::{
    config::{IdentityConfig, LoginConfig, SessionConfig},
    cookie::InsecureOrigin,
    csrf::{CsrfToken, NoFields, ProtectedForm},
    issuer::{Issuer, IssuerError, IssuerUnavailable},
    machine::{Machine, MachineAuth, MachineScope},
    machine_token::{AccessToken, MachineToken, TokenUnavailable},
    principal::{Allowed, Forbidden, Permission, Principal},
    seal::SessionKeyError,
    token::{TokenError, VerifiedAccess, Verifier},
    web::{WebAuth, WebAuthDeps, WebAuthError},
};
