//! Settings: documented defaults in the binary, overridden by a file, then by the environment.

use std::{fmt, path::Path};

use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use serde::{Deserialize, de::DeserializeOwned};

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value is missing, unknown or of the wrong type; the text names it and where it came from.
    #[error("the settings cannot be used")]
    Invalid(#[source] Box<figment::Error>),
}

/// Reads `T` from `defaults` (TOML), then `file`, then variables that start with `prefix`.
///
/// Two underscores separate sections: `TASKS_DATABASE__URL` is `url` in `[database]`. A variable
/// that names no setting is refused when `T` denies unknown fields.
///
/// # Errors
/// [`ConfigError::Invalid`] names the setting and its source.
pub fn load<T: DeserializeOwned>(
    defaults: &str,
    prefix: &str,
    file: Option<&Path>,
) -> Result<T, ConfigError> {
    let mut figment = Figment::from(Toml::string(defaults));
    if let Some(path) = file {
        figment = figment.merge(Toml::file_exact(path));
    }
    figment
        .merge(Env::prefixed(prefix).split("__"))
        .extract()
        .map_err(|error| ConfigError::Invalid(Box::new(error)))
}

/// A value that must not reach a log.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, at the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error, io::Write};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        name: String,
        limits: Limits,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Limits {
        most: u32,
    }

    const DEFAULTS: &str = "name = 'default'\n[limits]\nmost = 1\n";

    #[test]
    fn a_file_overrides_the_defaults() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "[limits]\nmost = 2").unwrap();
        let settings: Settings = load(DEFAULTS, "NOT_SET_ANYWHERE_", Some(file.path())).unwrap();
        assert_eq!(
            (settings.name.as_str(), settings.limits.most),
            ("default", 2)
        );
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "[limits]\nleast = 2").unwrap();
        let error = load::<Settings>(DEFAULTS, "NOT_SET_ANYWHERE_", Some(file.path())).unwrap_err();
        assert!(error.source().unwrap().to_string().contains("least"));
    }

    #[test]
    fn a_missing_file_is_refused() {
        let path = Path::new("/nowhere/settings.toml");
        load::<Settings>(DEFAULTS, "NOT_SET_ANYWHERE_", Some(path)).unwrap_err();
    }

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", Secret::new("swordfish")), "[secret]");
    }
}
