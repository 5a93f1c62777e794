//! The realm as its file describes it, compared with the realm that runs, and brought in line with it.
//!
//! Keycloak imports the file when it has no such realm, and never looks at it again. Both sides are read
//! into the same [`Description`]: the running one from Keycloak's own export, which has the shape of
//! the file. People are never read, compared or changed.

mod apply;
mod calls;
mod command;
mod compare;
mod description;
mod json;
mod paths;
mod placeholders;
mod things;

use std::path::Path;

pub use self::{
    apply::{Applied, Extras, apply},
    calls::{Administrator, Login, Secrets},
    command::{RealmCommand, run},
    compare::{Difference, compare},
    description::Description,
    things::{Link, Owner, Relation, Thing},
};

/// Why a realm could not be compared or changed.
#[derive(Debug, thiserror::Error)]
pub enum RealmError {
    /// The file is not there.
    #[error("the realm file cannot be read")]
    File(#[source] std::io::Error),
    /// The file, or what Keycloak exports, has another shape than expected.
    #[error("this is no description of a realm")]
    Shape(#[source] serde_json::Error),
    /// The file would be taken over with holes in it.
    #[error("the realm file needs variables that are not set: {0}")]
    Unset(String),
    /// Keycloak is away.
    #[error("Keycloak cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// Wrong name or password.
    #[error("Keycloak does not let the administrator in: {0}")]
    Login(String),
    /// Nothing to compare with.
    #[error("Keycloak has no realm {0}: it imports the file when it starts")]
    NoRealm(String),
    /// A call that Keycloak did not accept.
    #[error("Keycloak refuses {call}: {answer}")]
    Refused {
        /// Method and path.
        call: String,
        /// Its status and words.
        answer: String,
    },
    /// Something that a change needs is not there, such as a role of a client that the file does not describe.
    #[error("there is no {0}")]
    Absent(Thing),
}

/// Reads a realm file; `variable` answers what stands for the `${NAME}` in it.
///
/// # Errors
/// [`RealmError::File`], [`RealmError::Shape`] or [`RealmError::Unset`].
pub fn read(
    path: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Description, RealmError> {
    let text = std::fs::read_to_string(path).map_err(RealmError::File)?;
    let file = serde_json::from_str(&text).map_err(RealmError::Shape)?;
    Description::from_json(placeholders::fill(file, variable)?)
}
