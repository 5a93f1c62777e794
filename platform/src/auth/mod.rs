//! Who is asking, and what that allows: tokens of machines, logins and sessions of people.

mod config;
mod issuer;
mod machine;
mod machine_token;
#[cfg(test)]
pub(crate) mod testing;
mod token;

pub use self::{
    config::{IdentityConfig, LoginConfig, SessionConfig},
    issuer::{Issuer, IssuerError, IssuerUnavailable},
    machine::{Machine, MachineAuth, MachineScope},
    machine_token::{AccessToken, MachineToken, TokenUnavailable},
    token::{TokenError, VerifiedAccess, Verifier},
};
