//! What the tests share: the repository's files, servers, builders and waiting.

pub(crate) mod books;
pub(crate) mod bridge;
pub(crate) mod broker;
pub(crate) mod browser;
pub(crate) mod builders;
pub(crate) mod database;
pub(crate) mod environment;
pub(crate) mod finance;
pub(crate) mod http;
pub(crate) mod issuer;
pub(crate) mod keycloak;
pub(crate) mod listener;
pub(crate) mod load;
pub(crate) mod mail;
pub(crate) mod orders;
pub(crate) mod own_keycloak;
pub(crate) mod peers;
pub(crate) mod person;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod realm;
pub(crate) mod settings;
pub(crate) mod source;
pub(crate) mod tasks;
pub(crate) mod waiting;
pub(crate) mod workspace;
