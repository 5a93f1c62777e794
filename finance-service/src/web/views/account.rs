//! One account: what it is worth, the reason for every cent of a day, and what was paid out.

use askama::Template;
use askama_web::WebTemplate;
use chrono::{DateTime, Days, NaiveDate, Utc};
use platform::ui::{Money, Shell, encode_query};
use serde::Deserialize;

/// `GET /finance/me?day=&before=`. What cannot be read means today and its newest entries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "RawAccountQuery")]
pub struct AccountQuery {
    /// Which local date.
    pub day: Option<NaiveDate>,
    /// The cursor of an earlier page: entries older than it.
    pub before: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawAccountQuery {
    day: String,
    before: String,
}

impl From<RawAccountQuery> for AccountQuery {
    fn from(raw: RawAccountQuery) -> Self {
        Self {
            day: raw.day.parse().ok(),
            before: Some(raw.before).filter(|cursor| !cursor.is_empty()),
        }
    }
}

/// Why money moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A task was assigned.
    Fee,
    /// A task was done.
    Reward,
    /// The balance was paid out.
    Payout,
    /// Somebody mended a mistake, for this reason.
    Correction {
        /// As it was typed.
        reason: String,
    },
}

/// The task behind an entry, as far as it is known by now (M6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryTask {
    /// The number, shown as `T-<number>`.
    pub number: i64,
    /// The title.
    pub title: String,
}

/// One line of the audit log.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When it happened at its source.
    pub at: DateTime<Utc>,
    /// Why.
    pub kind: EntryKind,
    /// The task; `None` for payouts and corrections, and while its text is still to come.
    pub task: Option<EntryTask>,
    /// What it did to the balance.
    pub change: Money,
    /// The balance after it.
    pub balance: Money,
    /// Its own working day, when that was already closed as it arrived (M9).
    pub late_from: Option<NaiveDate>,
}

impl Entry {
    /// What happened, in words.
    fn reason(&self) -> &str {
        match &self.kind {
            EntryKind::Fee => "Fee for the assignment",
            EntryKind::Reward => "Reward for doing it",
            EntryKind::Payout => "The closing of the day paid the balance",
            EntryKind::Correction { reason } => reason,
        }
    }

    /// What stands in the first line of an entry without a known task.
    fn heading(&self) -> &'static str {
        match self.kind {
            EntryKind::Fee | EntryKind::Reward => "Task, its title follows",
            EntryKind::Payout => "Payout",
            EntryKind::Correction { .. } => "Correction",
        }
    }
}

/// What became of the mail about a payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailState {
    /// Handed to the mail server at this time.
    Sent(DateTime<Utc>),
    /// Not sent yet.
    Waiting,
    /// Refused by the mail server.
    Refused,
}

/// One closing of a working day for this account.
#[derive(Debug, Clone)]
pub struct PayoutRow {
    /// The working day.
    pub day: NaiveDate,
    /// What was paid; `None` when the balance was not above zero.
    pub amount: Option<Money>,
    /// The mail, when something was paid.
    pub mail: Option<MailState>,
}

/// `GET /finance/me`: the account of the person who looks. Its form sends the fields of [`AccountQuery`].
#[derive(Debug, Template, WebTemplate)]
#[template(path = "account.html")]
pub struct AccountPage {
    /// The frame, at `Section::MyAccount`.
    pub shell: Shell,
    /// What the account is worth now.
    pub balance: Money,
    /// When a balance above zero is paid out, when that is known.
    pub pays_at: Option<DateTime<Utc>>,
    /// The local date shown.
    pub day: NaiveDate,
    /// Dates with entries, newest first.
    pub days: Vec<NaiveDate>,
    /// Whether the entries begin with the newest of the day.
    pub is_first_page: bool,
    /// What the account was worth when the day began.
    pub opening: Money,
    /// Entries of the day, newest first.
    pub entries: Vec<Entry>,
    /// The cursor of the day's older entries, when there are more.
    pub next: Option<String>,
    /// Payouts, newest first.
    pub payouts: Vec<PayoutRow>,
}

/// What a day did to the account: what it began with, what moved, what it ended with.
#[derive(Debug)]
struct DaySum {
    fees: Money,
    rewards: Money,
    /// Payouts and corrections; `None` without any.
    others: Option<Money>,
    closing: Money,
}

impl AccountPage {
    /// The sum of the day, when all of its entries are on this page.
    fn sum(&self) -> Option<DaySum> {
        let is_whole_day = self.is_first_page && self.next.is_none();
        let newest = self.entries.first().filter(|_| is_whole_day)?;
        let total = |wanted: fn(&EntryKind) -> bool| {
            let changes = self.entries.iter().filter(|entry| wanted(&entry.kind));
            let cents = changes.fold(0_i64, |sum, entry| sum.saturating_add(entry.change.cents()));
            self.balance.with_cents(cents)
        };
        let others = total(|kind| !matches!(kind, EntryKind::Fee | EntryKind::Reward));
        Some(DaySum {
            fees: total(|kind| *kind == EntryKind::Fee),
            rewards: total(|kind| *kind == EntryKind::Reward),
            others: Some(others).filter(|others| others.cents() != 0),
            closing: newest.balance.clone(),
        })
    }

    /// The dates to choose from; the one shown is always among them.
    fn choices(&self) -> Vec<NaiveDate> {
        let mut dates = self.days.clone();
        if !dates.contains(&self.day) {
            dates.push(self.day);
            dates.sort_unstable_by(|earlier, later| later.cmp(earlier));
        }
        dates
    }

    fn is_new(&self) -> bool {
        self.days.is_empty() && self.entries.is_empty() && self.payouts.is_empty()
    }

    /// What the day began with, as the first entry; only on the page that shows the day's beginning.
    fn carried_over(&self) -> Option<String> {
        let words = match self.opening.cents() {
            0 => return None,
            ..0 => "Debt carried over",
            1.. => "Balance carried over",
        };
        let is_last_page = self.next.is_none();
        let before = self
            .day
            .checked_sub_days(Days::new(1))
            .filter(|_| is_last_page)?;
        Some(format!("{words} from {}", self.shell.clock().day(&before)))
    }

    fn entry_count(&self) -> String {
        match (self.entries.len(), &self.next) {
            (1, None) => "1 entry".to_owned(),
            (count, None) => format!("{count} entries"),
            (count, Some(_)) => format!("newest {count} entries"),
        }
    }

    fn href_before(&self, cursor: &str) -> String {
        let day = self.day.to_string();
        format!(
            "/finance/me{}",
            encode_query(&[("day", &day), ("before", cursor)])
        )
    }
}
