//! Logins, sessions and logouts of people with the real Keycloak and a real database.

pub(crate) mod browser;
mod login;
mod logout;
mod rights;
mod sessions;
pub(crate) mod site;
