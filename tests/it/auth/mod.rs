//! Logins, sessions and logouts of people with the real Keycloak and a real database.

mod browser;
mod login;
mod logout;
mod rights;
mod sessions;
mod site;
