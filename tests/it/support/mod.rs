//! What the tests share: the repository's files, servers, builders and waiting.

pub(crate) mod source;
pub(crate) mod workspace;
