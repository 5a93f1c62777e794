//! The one way a timestamp is written: RFC 3339, UTC, exactly six fractional digits.

use chrono::{DateTime, DurationRound, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serializer};

/// Cuts an instant to microseconds, the precision of the wire and of PostgreSQL.
///
/// Without the cut a value compared with its stored copy would look newer than itself.
#[must_use]
pub fn to_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(at)
}

/// Writes an instant the way the wire wants it, for example `2026-11-19T14:42:00.000000Z`.
#[must_use]
pub fn format(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Serialises for `#[serde(with = "timestamp")]`.
///
/// # Errors
/// Only those of the serializer.
pub fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*at))
}

/// Reads any RFC 3339 instant with an offset and cuts it to microseconds.
///
/// # Errors
/// When the text is no RFC 3339 instant.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    DateTime::<Utc>::deserialize(deserializer).map(to_micros)
}

/// The same for instants that may be absent, for `#[serde(with = "timestamp::option")]`.
pub mod option {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Serialises for `#[serde(with = "timestamp::option")]`.
    ///
    /// # Errors
    /// Only those of the serializer.
    pub fn serialize<S: Serializer>(
        at: &Option<DateTime<Utc>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads an RFC 3339 instant, cut to microseconds, or null.
    ///
    /// # Errors
    /// When the text is no RFC 3339 instant.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        let at = Option::<DateTime<Utc>>::deserialize(deserializer)?;
        Ok(at.map(super::to_micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn always_writes_six_digits() {
        let at = DateTime::parse_from_rfc3339("2026-11-19T15:42:00.1234567+01:00")
            .unwrap()
            .to_utc();
        assert_eq!(format(to_micros(at)), "2026-11-19T14:42:00.123456Z");
        assert_eq!(
            format(DateTime::from_timestamp(0, 0).unwrap()),
            "1970-01-01T00:00:00.000000Z"
        );
    }
}
