//! Hours as ids tell them: a UUIDv7 begins with the milliseconds since 1970.

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use contracts::messages::MAX_HOURS;
use uuid::Uuid;

use crate::inbox::first_id_of;

/// Longer than a message is on its way through all retry queues. An hour has settled when it ended so long ago.
pub(super) const ON_ITS_WAY: TimeDelta = TimeDelta::hours(1);

/// One hour.
pub(super) const HOUR: TimeDelta = TimeDelta::hours(1);

/// SQL for the beginning of the hour in which a row's `message_id` was written.
pub(super) const HOUR_SQL: &str = "to_timestamp(('x' || left(translate(message_id::text, '-', ''), 12))\
                                   ::bit(48)::bigint / 3600000 * 3600)";

/// SQL for the ids of a group of rows, combined so that neither order nor number of rows matters.
pub(super) const DIGEST_SQL: &str =
    "bit_xor(('x' || translate(message_id::text, '-', ''))::bit(128))::text";

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its beginning, inclusive.
    pub from: DateTime<Utc>,
    /// Its end, exclusive.
    pub until: DateTime<Utc>,
}

impl Span {
    /// The hour that begins at `from`.
    pub(super) fn hour(from: DateTime<Utc>) -> Self {
        Self {
            from,
            until: from
                .checked_add_signed(HOUR)
                .unwrap_or(DateTime::<Utc>::MAX_UTC),
        }
    }

    /// The first id of the span, and the first one after it.
    pub(super) fn ids(self) -> (Uuid, Uuid) {
        (first_id_of(self.from), first_id_of(self.until))
    }

    /// The span in parts of a day, the longest that a sender answers for at once.
    pub fn days(self) -> impl Iterator<Item = Self> {
        let day = move |from: DateTime<Utc>| Self {
            from,
            until: self.until.min(from + TimeDelta::hours(MAX_HOURS)),
        };
        let next = move |part: &Self| Some(day(part.until));
        std::iter::successors(Some(day(self.from)), next)
            .take_while(move |part| part.from < self.until)
    }

    /// The beginnings of its hours.
    pub(super) fn hours(self) -> impl Iterator<Item = DateTime<Utc>> {
        let next = move |hour: &DateTime<Utc>| Some(*hour + HOUR);
        std::iter::successors(Some(self.from), next).take_while(move |hour| *hour < self.until)
    }
}

/// The hours of the last `days` days in which nothing changes any more by itself.
#[must_use]
pub fn settled(now: DateTime<Utc>, days: u16) -> Span {
    let until = hour_of(now - ON_ITS_WAY);
    Span {
        from: until - TimeDelta::days(days.into()),
        until,
    }
}

/// The hours of the last `days` days with the present one, in which messages may be on their way.
#[must_use]
pub fn recent(now: DateTime<Utc>, days: u16) -> Span {
    let until = hour_of(now) + HOUR;
    Span {
        from: until - TimeDelta::days(days.into()),
        until,
    }
}

/// The beginning of the hour of `at`.
pub(super) fn hour_of(at: DateTime<Utc>) -> DateTime<Utc> {
    // Fails only for times that no clock shows.
    at.duration_trunc(HOUR).unwrap_or(at)
}

/// The digest as the wire has it, from the bits of [`DIGEST_SQL`].
pub(super) fn digest(bits: &str) -> String {
    let combined = u128::from_str_radix(bits, 2).unwrap_or_default();
    format!("{combined:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::{ManualClock, Sources};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn an_id_belongs_to_the_hour_in_which_it_was_written_and_to_no_other() {
        let hour = at("2026-11-21T10:00:00Z");
        let clock = ManualClock::new(hour);
        let sources = Sources::manual(clock.clone(), 1);
        let (first, past) = Span::hour(hour).ids();
        let earliest = sources.new_id();
        clock.set(at("2026-11-21T10:59:59.999Z"));
        let latest = sources.new_id();
        clock.set(at("2026-11-21T11:00:00Z"));
        let next = sources.new_id();
        assert!(first <= earliest && latest < past && past <= next);
    }

    #[test]
    fn a_span_is_cut_into_its_hours() {
        let span = Span {
            from: hour_of(at("2026-11-21T22:59:59Z")),
            until: at("2026-11-22T01:00:00Z"),
        };
        let hours: Vec<_> = span.hours().map(|hour| hour.to_rfc3339()).collect();
        assert_eq!(hours.len(), 3);
        assert_eq!(hours[2], "2026-11-22T00:00:00+00:00");
    }

    #[test]
    fn an_hour_settles_an_hour_after_its_end() {
        let end = |now: &str| settled(at(now), 7).until;
        assert_eq!(end("2026-11-21T11:59:59Z"), at("2026-11-21T10:00:00Z"));
        assert_eq!(end("2026-11-21T12:00:00Z"), at("2026-11-21T11:00:00Z"));
    }

    #[test]
    fn a_week_is_seven_days_and_every_hour_is_in_one_of_them() {
        let span = settled(at("2026-11-21T12:00:00Z"), 7);
        let days: Vec<_> = span.days().collect();
        assert_eq!(days.len(), 7);
        let hours: Vec<_> = days.into_iter().flat_map(Span::hours).collect();
        assert_eq!(hours, span.hours().collect::<Vec<_>>());
    }

    #[test]
    fn a_digest_has_the_form_of_an_id() {
        let id = Uuid::from_u128(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        let bits = format!("{:0128b}", id.as_u128());
        assert_eq!(digest(&bits), id.simple().to_string());
    }
}
