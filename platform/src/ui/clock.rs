//! Times as the reader says them: ages, days and hours of one time zone, with the full time beside.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;

use super::markup::Markup;

/// From this age on a date says more than a number of days.
const DAYS_AS_AGE: i64 = 30;

/// The moment a page is made for, and the time zone its reader lives by.
#[derive(Debug, Clone, Copy)]
pub struct ReaderClock {
    now: DateTime<Utc>,
    zone: Tz,
}

impl ReaderClock {
    /// Nothing is read from the machine: both are given.
    #[must_use]
    pub fn new(now: DateTime<Utc>, zone: Tz) -> Self {
        Self { now, zone }
    }

    /// The local date of the moment.
    #[must_use]
    pub fn today(&self) -> NaiveDate {
        self.date(&self.now)
    }

    /// The local date of an instant.
    #[must_use]
    pub fn date(&self, at: &DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    /// The name of the time zone, to be said once on a page that states hours.
    #[must_use]
    pub fn zone_name(&self) -> &'static str {
        self.zone.name()
    }

    /// `now`, `4 min`, `5 h`, `3 d`, and after a month the date.
    #[must_use]
    pub fn age(&self, at: &DateTime<Utc>) -> Markup {
        let age = self.now - *at;
        let text = match age.num_days() {
            ..1 => hours_and_minutes(age),
            days @ 1..DAYS_AS_AGE => format!("{days} d"),
            DAYS_AS_AGE.. => self.short_date(self.date(at)),
        };
        self.element(at, &text)
    }

    /// `14:20`.
    #[must_use]
    pub fn hour(&self, at: &DateTime<Utc>) -> Markup {
        self.element(at, &self.hour_text(at))
    }

    /// `14:20:58`.
    #[must_use]
    pub fn second(&self, at: &DateTime<Utc>) -> Markup {
        let text = at.with_timezone(&self.zone).format("%H:%M:%S").to_string();
        self.element(at, &text)
    }

    /// `today, 10:12`, `yesterday, 16:40`, `Tue 17 Nov, 09:30`.
    #[must_use]
    pub fn moment(&self, at: &DateTime<Utc>) -> Markup {
        let date = self.date(at);
        let day = self
            .near_day(date)
            .map_or_else(|| self.day(&date), str::to_lowercase);
        self.element(at, &format!("{day}, {}", self.hour_text(at)))
    }

    /// How long something has been going on or will still take: `under a minute`, `4 h 34 min`, `3 d 2 h`.
    #[must_use]
    pub fn length(&self, from: &DateTime<Utc>, to: &DateTime<Utc>) -> String {
        let span = *to - *from;
        let (days, hours, minutes) = (
            span.num_days(),
            span.num_hours() % 24,
            span.num_minutes() % 60,
        );
        match (days, hours, minutes) {
            (..=0, ..=0, ..=0) => "under a minute".to_owned(),
            (..=0, ..=0, minutes) => format!("{minutes} min"),
            (..=0, hours, 0) => format!("{hours} h"),
            (..=0, hours, minutes) => format!("{hours} h {minutes} min"),
            (days, 0, _) => format!("{days} d"),
            (days, hours, _) => format!("{days} d {hours} h"),
        }
    }

    /// How long ago `at` was, in the words of [`Self::length`].
    #[must_use]
    pub fn since(&self, at: &DateTime<Utc>) -> String {
        self.length(at, &self.now)
    }

    /// How far ahead `at` is, in the words of [`Self::length`].
    #[must_use]
    pub fn until(&self, at: &DateTime<Utc>) -> String {
        self.length(&self.now, at)
    }

    /// A heading for one day: `Today`, `Yesterday`, `Wed 18 Nov`, with the year when it is another one.
    #[must_use]
    pub fn day_heading(&self, date: &NaiveDate) -> String {
        self.near_day(*date)
            .map_or_else(|| self.day(date), str::to_owned)
    }

    /// `Wed 18 Nov`, with the year when it is another one.
    #[must_use]
    pub fn day(&self, date: &NaiveDate) -> String {
        format!("{} {}", date.format("%a"), self.short_date(*date))
    }

    fn short_date(&self, date: NaiveDate) -> String {
        let form = if date.year() == self.today().year() {
            "%-d %b"
        } else {
            "%-d %b %Y"
        };
        date.format(form).to_string()
    }

    fn near_day(&self, date: NaiveDate) -> Option<&'static str> {
        match self.today().signed_duration_since(date).num_days() {
            0 => Some("Today"),
            1 => Some("Yesterday"),
            _ => None,
        }
    }

    fn hour_text(&self, at: &DateTime<Utc>) -> String {
        at.with_timezone(&self.zone).format("%H:%M").to_string()
    }

    /// The full local time goes into the title, the exact one into `datetime`; nothing in it needs escaping.
    fn element(&self, at: &DateTime<Utc>, text: &str) -> Markup {
        let exact = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let full = at
            .with_timezone(&self.zone)
            .format("%a %-d %b %Y, %H:%M:%S");
        Markup::new(format!(
            "<time datetime=\"{exact}\" title=\"{full}\">{text}</time>"
        ))
    }
}

/// A clock of another machine may be ahead: what lies in the future is shown as now.
fn hours_and_minutes(age: TimeDelta) -> String {
    match (age.num_hours(), age.num_minutes()) {
        (..=0, ..=0) => "now".to_owned(),
        (..=0, minutes) => format!("{minutes} min"),
        (hours, _) => format!("{hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    /// Thursday 19 November 2026, 14:46 in Berlin.
    fn clock() -> ReaderClock {
        let now = Utc.with_ymd_and_hms(2026, 11, 19, 13, 46, 0).unwrap();
        ReaderClock::new(now, chrono_tz::Europe::Berlin)
    }

    fn ago(seconds: i64) -> DateTime<Utc> {
        clock().now - TimeDelta::seconds(seconds)
    }

    fn text(markup: &Markup) -> &str {
        let inner = markup.as_str().split_once('>').unwrap().1;
        inner.strip_suffix("</time>").unwrap()
    }

    #[test]
    fn ages_grow_from_minutes_to_a_date() {
        let cases = [
            (-30, "now"),
            (59, "now"),
            (60, "1 min"),
            (38 * 60, "38 min"),
            (3_600, "1 h"),
            (5 * 3_600 + 59 * 60, "5 h"),
            (23 * 3_600 + 3_599, "23 h"),
            (24 * 3_600, "1 d"),
            (3 * 86_400, "3 d"),
            (30 * 86_400, "20 Oct"),
            (400 * 86_400, "15 Oct 2025"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(text(&clock().age(&ago(seconds))), expected, "{seconds} s");
        }
    }

    #[test]
    fn the_exact_time_stands_beside_the_age() {
        assert_eq!(
            clock().age(&ago(240)).as_str(),
            "<time datetime=\"2026-11-19T13:42:00Z\" title=\"Thu 19 Nov 2026, 14:42:00\">4 min</time>"
        );
    }

    #[test]
    fn moments_name_the_near_days() {
        assert_eq!(
            text(&clock().moment(&ago(4 * 3_600 + 34 * 60))),
            "today, 10:12"
        );
        assert_eq!(text(&clock().moment(&ago(86_400))), "yesterday, 14:46");
        assert_eq!(text(&clock().moment(&ago(2 * 86_400))), "Tue 17 Nov, 14:46");
        assert_eq!(text(&clock().hour(&ago(26 * 60))), "14:20");
    }

    #[test]
    fn a_day_begins_at_local_midnight() {
        let before = Utc.with_ymd_and_hms(2026, 11, 18, 22, 59, 59).unwrap();
        let after = Utc.with_ymd_and_hms(2026, 11, 18, 23, 0, 0).unwrap();
        assert_eq!(clock().day_heading(&clock().date(&before)), "Yesterday");
        assert_eq!(clock().day_heading(&clock().date(&after)), "Today");
    }

    #[test]
    fn lengths_use_two_units_at_most() {
        let cases = [
            (-5, "under a minute"),
            (59, "under a minute"),
            (60, "1 min"),
            (3_600, "1 h"),
            (4 * 3_600 + 34 * 60, "4 h 34 min"),
            (86_400 + 60, "1 d"),
            (3 * 86_400 + 2 * 3_600, "3 d 2 h"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(clock().since(&ago(seconds)), expected, "{seconds} s");
        }
    }
}
