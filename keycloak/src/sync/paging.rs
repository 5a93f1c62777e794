//! How an event store is read from an instant on, although it has no cursor.
//!
//! Pages follow one another by time, not by offset: rows that are purged meanwhile would shift an
//! offset and hide events. Events of one millisecond come in any order, so a page may end among them.

use chrono::{DateTime, SubsecRound, Utc};

use crate::admin::{EventOrder, EventQuery};

/// The events asked for at once.
const PAGE: u32 = 500;

/// The first page from `since` on; Keycloak knows milliseconds only.
pub(super) fn first_page(since: DateTime<Utc>) -> EventQuery {
    EventQuery {
        since: since.trunc_subsecs(3),
        max: PAGE,
        order: EventOrder::OldestFirst,
    }
}

/// The newest events that happened at `since` or later, in one page.
pub(super) fn newest(since: DateTime<Utc>) -> EventQuery {
    EventQuery {
        order: EventOrder::NewestFirst,
        ..first_page(since)
    }
}

/// The page after one that held `count` events up to `newest`; none when that was the last one.
///
/// It begins with the time at which the page before ended, so some events come twice. When a whole
/// page is of one time, only a larger page leads on.
pub(super) fn next_page(
    query: EventQuery,
    count: usize,
    newest: Option<DateTime<Utc>>,
) -> Option<EventQuery> {
    let is_full = u32::try_from(count).is_ok_and(|count| count >= query.max);
    let newest = newest.filter(|_| is_full)?;
    if newest > query.since {
        return Some(first_page(newest));
    }
    Some(EventQuery {
        max: query.max.saturating_mul(2),
        ..query
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    #[test]
    fn a_page_that_is_not_full_is_the_last() {
        assert_eq!(next_page(first_page(at(1)), 499, Some(at(9))), None);
        assert_eq!(next_page(first_page(at(1)), 0, None), None);
    }

    #[test]
    fn a_full_page_is_followed_from_its_newest_time_on() {
        let next = next_page(first_page(at(1)), 500, Some(at(9)));
        assert_eq!(next, Some(first_page(at(9))));
    }

    #[test]
    fn a_page_of_one_millisecond_grows_until_it_leads_on() {
        let wider = next_page(first_page(at(9)), 500, Some(at(9))).unwrap();
        assert_eq!((wider.since, wider.max), (at(9), 1_000));
        let next = next_page(wider, 1_000, Some(at(10)));
        assert_eq!(next, Some(first_page(at(10))));
    }

    #[test]
    fn a_look_begins_at_a_whole_millisecond_and_not_later_than_asked() {
        let since = at(7) + chrono::TimeDelta::microseconds(999);
        assert_eq!(first_page(since).since, at(7));
    }
}
