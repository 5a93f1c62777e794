//! Logs of a process: lines for people or JSON for machines.

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// Section `[log]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Which events are written, in the syntax of `tracing_subscriber::EnvFilter`.
    pub filter: String,
    /// How they are written.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// A filter that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter has a syntax error.
    #[error("log.filter cannot be read")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
}

/// Starts writing logs to standard error; a second call in one process changes nothing.
///
/// # Errors
/// [`TelemetryError::Filter`] when the filter cannot be read.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&config.filter).map_err(TelemetryError::Filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let outcome = match config.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if outcome.is_err() {
        tracing::debug!("logs are already being written");
    }
    Ok(())
}
