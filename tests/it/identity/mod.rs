//! Keycloak's realm, and the bridge from it to the other services.

mod accounts;
mod bridge;
mod brokered;
mod crash;
mod edits;
mod fan_out;
mod fitness;
mod guard;
mod links;
mod operations;
mod outage;
mod own;
mod realm;
mod realm_changes;
mod rest;
mod scim;
mod theme;
mod tokens;
mod unrecorded;
mod upkeep;
mod watched;
