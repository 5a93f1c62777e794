//! Logins, sessions and logouts of people with the real Keycloak and a real database.

mod backchannel;
mod everywhere;
mod id_tokens;
mod login;
mod logout;
mod outage;
mod played;
mod rights;
mod sessions;
mod site;
