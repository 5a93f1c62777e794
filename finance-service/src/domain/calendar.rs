//! Working days: which local date an instant belongs to, and which closing pays for it (DESIGN.md M7).

use std::collections::BTreeSet;

use chrono::{
    DateTime, Datelike, LocalResult, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc, Weekday,
};
use thiserror::Error;

/// No two neighbouring working days may lie further apart; more is a mistake in the configuration.
const LONGEST_REST_DAYS: usize = 366;

/// No zone ever moved its clocks by more than a day, and none is further than 14 hours from UTC.
const WIDEST_SHIFT: TimeDelta = TimeDelta::hours(48);

/// Why a calendar or a date was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CalendarError {
    /// Then no day would ever be closed.
    #[error("no weekday is a working day")]
    NoWorkingWeekday,
    /// The holidays leave no working day within a year.
    #[error("there is no working day within a year after {0}")]
    NoWorkingDay(NaiveDate),
    /// The date is at the end of the representable time.
    #[error("the date {0} is out of range")]
    OutOfRange(NaiveDate),
}

/// The configured zone, working week and holidays.
#[derive(Debug, Clone)]
pub struct Calendar<Z: TimeZone> {
    zone: Z,
    working_weekdays: Vec<Weekday>,
    holidays: BTreeSet<NaiveDate>,
}

impl<Z: TimeZone> Calendar<Z> {
    /// Takes the zone whose local dates count, the weekdays that are worked, and the dates that are not.
    ///
    /// # Errors
    /// [`CalendarError::NoWorkingWeekday`] when no weekday is given.
    pub fn try_new(
        zone: Z,
        working_weekdays: &[Weekday],
        holidays: impl IntoIterator<Item = NaiveDate>,
    ) -> Result<Self, CalendarError> {
        if working_weekdays.is_empty() {
            return Err(CalendarError::NoWorkingWeekday);
        }
        Ok(Self {
            zone,
            working_weekdays: working_weekdays.to_vec(),
            holidays: holidays.into_iter().collect(),
        })
    }

    /// The zone whose local dates count.
    pub const fn zone(&self) -> &Z {
        &self.zone
    }

    /// The date that the clocks on the wall show at an instant.
    pub fn local_date(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    /// The working day whose closing pays for what happened at `at`: its own date, else the next working day.
    ///
    /// # Errors
    /// When the holidays leave no working day for a year.
    pub fn business_day(&self, at: DateTime<Utc>) -> Result<NaiveDate, CalendarError> {
        let date = self.local_date(at);
        for day in date.iter_days().take(LONGEST_REST_DAYS) {
            if self.is_working_day(day)? {
                return Ok(day);
            }
        }
        Err(CalendarError::NoWorkingDay(date))
    }

    /// Whether a date is worked. A date that the zone skipped altogether is not.
    ///
    /// # Errors
    /// [`CalendarError::OutOfRange`] at the end of time.
    pub fn is_working_day(&self, date: NaiveDate) -> Result<bool, CalendarError> {
        let listed =
            self.working_weekdays.contains(&date.weekday()) && !self.holidays.contains(&date);
        Ok(listed && self.start(date)? < self.cut(date)?)
    }

    /// The first instant of a local date, or the first one after it where the zone skipped it.
    ///
    /// # Errors
    /// [`CalendarError::OutOfRange`] at the end of time.
    pub fn start(&self, date: NaiveDate) -> Result<DateTime<Utc>, CalendarError> {
        let midnight = date.and_time(NaiveTime::MIN);
        match self.zone.from_local_datetime(&midnight) {
            LocalResult::Single(at) => Ok(at.to_utc()),
            LocalResult::Ambiguous(first, second) => {
                Ok(self.start_of_repeated(date, &first, &second))
            }
            LocalResult::None => self.start_after_gap(date),
        }
    }

    /// The instant from which a local date is over.
    ///
    /// # Errors
    /// [`CalendarError::OutOfRange`] at the end of time.
    pub fn cut(&self, date: NaiveDate) -> Result<DateTime<Utc>, CalendarError> {
        self.start(date.succ_opt().ok_or(CalendarError::OutOfRange(date))?)
    }

    /// Midnight came twice. Where the clocks went back past it, to the day before, only the second one ends that day.
    fn start_of_repeated(
        &self,
        date: NaiveDate,
        first: &DateTime<Z>,
        second: &DateTime<Z>,
    ) -> DateTime<Utc> {
        let before_second = second
            .to_utc()
            .checked_sub_signed(TimeDelta::microseconds(1));
        let went_back_a_day = before_second.is_some_and(|at| self.local_date(at) < date);
        if went_back_a_day {
            second.to_utc()
        } else {
            first.to_utc()
        }
    }

    /// Midnight did not exist: halve the time around it until the first second of the date, or after it, is found.
    fn start_after_gap(&self, date: NaiveDate) -> Result<DateTime<Utc>, CalendarError> {
        let middle = date.and_time(NaiveTime::MIN).and_utc();
        let before = middle
            .checked_sub_signed(WIDEST_SHIFT)
            .ok_or(CalendarError::OutOfRange(date))?;
        let after = middle
            .checked_add_signed(WIDEST_SHIFT)
            .ok_or(CalendarError::OutOfRange(date))?;
        let (mut too_early, mut reached) = (before.timestamp(), after.timestamp());
        while reached.saturating_sub(too_early) > 1 {
            let halfway = too_early.midpoint(reached);
            let at = DateTime::from_timestamp(halfway, 0).ok_or(CalendarError::OutOfRange(date))?;
            if self.local_date(at) < date {
                too_early = halfway;
            } else {
                reached = halfway;
            }
        }
        DateTime::from_timestamp(reached, 0).ok_or(CalendarError::OutOfRange(date))
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::{TZ_VARIANTS, Tz};
    use proptest::prelude::*;

    use super::*;

    const WORKING_WEEK: [Weekday; 5] = [
        Weekday::Mon,
        Weekday::Tue,
        Weekday::Wed,
        Weekday::Thu,
        Weekday::Fri,
    ];
    const EVERY_DAY: [Weekday; 7] = [
        Weekday::Mon,
        Weekday::Tue,
        Weekday::Wed,
        Weekday::Thu,
        Weekday::Fri,
        Weekday::Sat,
        Weekday::Sun,
    ];

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn every_day(zone: Tz) -> Calendar<Tz> {
        Calendar::try_new(zone, &EVERY_DAY, []).unwrap()
    }

    #[test]
    fn a_calendar_needs_a_working_weekday() {
        let calendar = Calendar::try_new(Utc, &[], []);
        assert_eq!(calendar.err(), Some(CalendarError::NoWorkingWeekday));
    }

    #[test]
    fn the_local_date_counts_not_the_date_in_utc() {
        let calendar = Calendar::try_new(Tz::Europe__Berlin, &WORKING_WEEK, []).unwrap();
        let late_evening_in_utc = instant("2026-11-18T23:30:00Z");
        assert_eq!(
            calendar.business_day(late_evening_in_utc),
            Ok(date("2026-11-19"))
        );
    }

    #[test]
    fn a_weekend_and_a_holiday_belong_to_the_next_working_day() {
        let calendar =
            Calendar::try_new(Utc, &WORKING_WEEK, [date("2026-12-25"), date("2026-12-28")])
                .unwrap();
        for (at, day) in [
            ("2026-12-24T23:59:59.999999Z", "2026-12-24"),
            ("2026-12-25T00:00:00Z", "2026-12-29"),
            ("2026-12-27T12:00:00Z", "2026-12-29"),
            ("2026-12-29T12:00:00Z", "2026-12-29"),
        ] {
            assert_eq!(calendar.business_day(instant(at)), Ok(date(day)), "{at}");
        }
    }

    #[test]
    fn a_year_of_holidays_is_an_error() {
        let first = date("2026-01-01");
        let calendar = Calendar::try_new(Utc, &EVERY_DAY, first.iter_days().take(400)).unwrap();
        assert_eq!(
            calendar.business_day(instant("2026-01-01T08:00:00Z")),
            Err(CalendarError::NoWorkingDay(first))
        );
    }

    #[test]
    fn days_last_23_to_25_hours_where_clocks_change() {
        let calendar = every_day(Tz::Europe__Berlin);
        for (day, hours) in [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-19", 24)] {
            let length = calendar.cut(date(day)).unwrap() - calendar.start(date(day)).unwrap();
            assert_eq!(length, TimeDelta::hours(hours), "{day}");
        }
    }

    #[test]
    fn a_day_without_midnight_starts_with_its_first_valid_instant() {
        // Amman went from 23:59:59 on 25 March 2021 straight to 01:00 on the 26th.
        let calendar = every_day(Tz::Asia__Amman);
        assert_eq!(
            calendar.start(date("2021-03-26")),
            Ok(instant("2021-03-25T22:00:00Z"))
        );
    }

    #[test]
    fn a_day_with_two_midnights_starts_with_the_first() {
        // Amman's clocks went from 01:00 back to 00:00 on 29 October 2021.
        let calendar = every_day(Tz::Asia__Amman);
        assert_eq!(
            calendar.start(date("2021-10-29")),
            Ok(instant("2021-10-28T21:00:00Z"))
        );
    }

    #[test]
    fn a_day_that_came_back_after_midnight_ends_with_the_second() {
        // The clocks of St. John's went from 00:01 on 7 November 2010 back to 23:01 on the 6th.
        let calendar = every_day(Tz::America__St_Johns);
        assert_eq!(
            calendar.cut(date("2010-11-06")),
            Ok(instant("2010-11-07T03:30:00Z"))
        );
        assert_eq!(
            calendar.local_date(instant("2010-11-07T03:29:59Z")),
            date("2010-11-06")
        );
    }

    #[test]
    fn a_date_that_never_was_is_no_working_day() {
        // Apia had no 30 December 2011.
        let (before, skipped, after) = (date("2011-12-29"), date("2011-12-30"), date("2011-12-31"));
        let calendar = Calendar::try_new(Tz::Pacific__Apia, &EVERY_DAY, [before]).unwrap();
        assert_eq!(calendar.is_working_day(skipped), Ok(false));
        assert_eq!(calendar.cut(before), calendar.start(after));
        assert_eq!(
            calendar.business_day(instant("2011-12-30T09:59:59Z")),
            Ok(after)
        );
    }

    #[test]
    fn in_every_zone_the_days_of_two_years_follow_each_other_without_a_gap() {
        for zone in TZ_VARIANTS {
            let calendar = every_day(zone);
            for day in date("2025-12-30").iter_days().take(733) {
                let (start, cut) = (calendar.start(day).unwrap(), calendar.cut(day).unwrap());
                assert!(start < cut, "{zone} {day}");
                assert_eq!(calendar.local_date(start), day, "{zone}");
                assert_eq!(
                    calendar.local_date(cut - TimeDelta::microseconds(1)),
                    day,
                    "{zone}"
                );
                assert_eq!(calendar.business_day(start), Ok(day), "{zone}");
            }
        }
    }

    proptest! {
        #[test]
        fn an_instant_lies_before_the_cut_of_its_working_day(
            zone in prop::sample::select(&TZ_VARIANTS[..]),
            seconds in 0..2_500_000_000_i64,
            holidays in prop::collection::btree_set(0..30_000_i32, 0..5),
        ) {
            let holidays = holidays.into_iter().filter_map(NaiveDate::from_epoch_days);
            let calendar = Calendar::try_new(zone, &WORKING_WEEK, holidays).unwrap();
            let at = DateTime::from_timestamp(seconds, 0).unwrap();
            let day = calendar.business_day(at).unwrap();
            prop_assert!(calendar.is_working_day(day).unwrap());
            prop_assert!(at < calendar.cut(day).unwrap(), "{} {}", zone.name(), at);
            prop_assert!(calendar.local_date(at) <= day);
            let rest = calendar.local_date(at).iter_days().take_while(|rest| *rest < day);
            for rested in rest {
                prop_assert!(!calendar.is_working_day(rested).unwrap());
            }
        }
    }
}
