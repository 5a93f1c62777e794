//! Keycloak's realm, and the bridge from it to the other services.

mod bridge;
mod realm;
mod realm_changes;
mod theme;
mod tokens;
