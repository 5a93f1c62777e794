//! The questions that the lists of tasks ask.

use chrono::{DateTime, Days, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::{
    app::{App, people::MAX_CHOICES},
    store::{self, StoreError, people::Named},
};

pub use crate::store::board::{
    COUNT_LIMIT, Counts, Cursor, Filter, Found, Listed, Order, Page, Query, View,
};

/// What somebody looks for, as a filter of lists.
pub async fn search(app: &App, text: Option<&str>) -> Result<Option<Found>, StoreError> {
    match text {
        None => Ok(None),
        Some(text) => store::board::search(&app.db, text).await.map(Some),
    }
}

/// The most tasks on one page of a list.
pub const PAGE: u32 = 50;

/// The board: one page of a list with what stands around it.
#[derive(Debug)]
pub struct Board {
    pub page: Page,
    /// Absent where nobody counted.
    pub counts: Option<Counts>,
    /// Whom the list can be narrowed to.
    pub performers: Vec<Named>,
}

/// Reads a page of the board; completed tasks count from `done_since` on.
pub async fn board(
    app: &App,
    query: &Query,
    done_since: DateTime<Utc>,
) -> Result<Board, StoreError> {
    let (page, counts, performers) = tokio::try_join!(
        store::board::page(&app.db, query),
        store::board::counts(&app.db, &query.filter, done_since),
        store::people::with_open_tasks(&app.db, MAX_CHOICES),
    )?;
    Ok(Board {
        page,
        counts,
        performers,
    })
}

/// The tasks of one person.
#[derive(Debug)]
pub struct Mine {
    pub page: Page,
    /// All that was ever done counts as done; absent where nobody counted.
    pub counts: Option<Counts>,
    /// Done since the given instant, last first.
    pub done_today: Vec<Listed>,
}

/// Reads a page of the tasks of one performer, and what they have done since `today`.
pub async fn mine(app: &App, query: &Query, today: DateTime<Utc>) -> Result<Mine, StoreError> {
    let done_today = Query {
        view: View::DoneSince(today),
        order: Order::Newest,
        filter: query.filter.clone(),
        after: None,
        limit: PAGE,
    };
    let (page, counts, done_today) = tokio::try_join!(
        store::board::page(&app.db, query),
        store::board::counts(&app.db, &query.filter, DateTime::UNIX_EPOCH),
        store::board::page(&app.db, &done_today),
    )?;
    Ok(Mine {
        page,
        counts,
        done_today: done_today.rows,
    })
}

/// When the local day of `now` began. Where clocks skip midnight it begins at the first hour there is.
#[must_use]
pub fn day_start(now: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
    let date = now.with_timezone(&zone).date_naive();
    let midnight = date.and_time(NaiveTime::MIN);
    let quarters = (0..=8).map(|quarter| midnight + chrono::TimeDelta::minutes(15 * quarter));
    quarters
        .filter_map(|time| zone.from_local_datetime(&time).earliest())
        .map(|start| start.to_utc())
        .next()
        .unwrap_or(now - Days::new(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_begins_at_local_midnight_in_summer_and_in_winter() {
        let zone = chrono_tz::Europe::Berlin;
        let cases = [
            ("2026-11-21T08:00:00Z", "2026-11-20T23:00:00Z"),
            ("2026-07-01T21:59:59Z", "2026-06-30T22:00:00Z"),
            ("2026-07-01T22:00:00Z", "2026-07-01T22:00:00Z"),
        ];
        for (now, start) in cases {
            assert_eq!(day_start(at(now), zone), at(start), "{now}");
        }
    }

    #[test]
    fn where_midnight_is_skipped_the_day_begins_an_hour_later() {
        // Beirut put its clocks forward at midnight of 31 March 2024.
        let start = day_start(at("2024-03-31T12:00:00Z"), chrono_tz::Asia::Beirut);
        assert_eq!(start, at("2024-03-30T22:00:00Z"));
    }
}
