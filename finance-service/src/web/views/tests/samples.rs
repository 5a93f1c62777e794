//! Every page of Finance in every state that looks different, for tests of the templates.

use chrono::{DateTime, NaiveDate, TimeDelta, TimeZone, Utc};
use contracts::identity::Role;
use platform::ui::{Money, Person, Section, Shell, Site, Viewer, Visit};
use uuid::Uuid;

use super::super::*;

/// What somebody who means harm would type everywhere.
const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>' \u{202e}<!--";

/// Thursday 19 November 2026, 14:46 in Berlin.
fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 19, 13, 46, 0).unwrap()
}

fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, day).unwrap()
}

fn usd(dollars: i64) -> Money {
    Money::new(dollars * 100, "USD")
}

fn shell_of(name: &str) -> Shell {
    let site = Site {
        base: "/finance",
        time_zone: chrono_tz::Europe::Berlin,
        profile_url: None,
    };
    let viewer = Viewer {
        person: Person::new(Uuid::from_u128(1), name),
        roles: vec![Role::Employee],
        csrf_token: "token".to_owned(),
    };
    Shell::new(&site, Visit::default(), viewer, now()).at(Section::MyAccount)
}

fn entry(hour: u32, minute: u32, kind: EntryKind, number: i64, title: &str) -> Entry {
    let at = Utc
        .with_ymd_and_hms(2026, 11, 19, hour - 1, minute, 0)
        .unwrap();
    Entry {
        at,
        kind,
        task: Some(EntryTask {
            number,
            title: title.to_owned(),
        }),
        change: usd(0),
        balance: usd(0),
        late_from: None,
    }
}

fn entries() -> Vec<Entry> {
    use EntryKind::{Fee, Reward};
    let mut entries = vec![
        entry(8, 55, Fee, 4826, "Round shipping weight up to full grams"),
        entry(
            9,
            40,
            Reward,
            4815,
            "Cache the country list for the address form",
        ),
        entry(
            9,
            48,
            Fee,
            4854,
            "Stop logging full card tokens in the payment gateway",
        ),
        entry(10, 12, Fee, 4846, "Delete abandoned carts after 30 days"),
        entry(
            11,
            5,
            Reward,
            4826,
            "Round shipping weight up to full grams",
        ),
        entry(12, 31, Fee, 4841, "Move the status page to its own host"),
        entry(
            13,
            20,
            Reward,
            4838,
            "Print the return code on warehouse labels",
        ),
        entry(14, 20, Reward, 4841, "Move the status page to its own host"),
        entry(
            14,
            42,
            Fee,
            4871,
            "Rotate the signing keys for the billing webhook",
        ),
    ];
    let mut balance = -12;
    for (entry, change) in entries
        .iter_mut()
        .zip([-14, 34, -18, -11, 31, -17, 26, 38, -13])
    {
        balance += change;
        entry.change = usd(change);
        entry.balance = usd(balance);
    }
    entries.reverse();
    entries
}

fn account() -> AccountPage {
    AccountPage {
        shell: shell_of("Mara Lindqvist"),
        balance: usd(44),
        pays_at: Some(now() + TimeDelta::minutes(554)),
        day: day(19),
        days: vec![day(19), day(18), day(17)],
        is_first_page: true,
        opening: usd(-12),
        entries: entries(),
        next: None,
        payouts: Vec::new(),
    }
}

fn payouts() -> Vec<PayoutRow> {
    let row = |date, dollars: Option<i64>, mail| PayoutRow {
        day: day(date),
        amount: dollars.map(usd),
        mail,
    };
    vec![
        row(18, None, None),
        row(17, Some(87), Some(MailState::Sent(now()))),
        row(16, Some(41), Some(MailState::Waiting)),
        row(13, Some(58), Some(MailState::Refused)),
    ]
}

fn paid_account() -> AccountPage {
    AccountPage {
        payouts: payouts(),
        ..account()
    }
}

fn account_in_debt() -> AccountPage {
    let mut entries = entries();
    entries[0].task = None;
    entries[1].late_from = Some(day(18));
    entries[2].kind = EntryKind::Payout;
    entries[2].task = None;
    entries[3].kind = EntryKind::Correction {
        reason: "Charged twice on 12 November".to_owned(),
    };
    entries[3].task = None;
    AccountPage {
        balance: Money::new(-1_205, "USD"),
        opening: usd(7),
        next: Some("cursor/1".to_owned()),
        entries,
        ..account()
    }
}

fn quiet_day() -> AccountPage {
    AccountPage {
        day: day(15),
        entries: Vec::new(),
        opening: usd(0),
        pays_at: None,
        ..account()
    }
}

fn new_account() -> AccountPage {
    AccountPage {
        balance: usd(0),
        days: Vec::new(),
        ..quiet_day()
    }
}

fn hostile_account() -> AccountPage {
    let mut entries = entries();
    entries[0].task = Some(EntryTask {
        number: 1,
        title: HOSTILE.to_owned(),
    });
    entries[1].task = None;
    entries[1].kind = EntryKind::Correction {
        reason: HOSTILE.to_owned(),
    };
    AccountPage {
        shell: shell_of(HOSTILE),
        balance: Money::new(1, "<b>"),
        next: Some(HOSTILE.to_owned()),
        entries,
        ..account()
    }
}

/// All samples by name; those of hostile people are named so.
pub(super) fn pages() -> Vec<(&'static str, String)> {
    let of = |page: AccountPage| askama::Template::render(&page).unwrap();
    vec![
        ("account", of(account())),
        ("account-paid", of(paid_account())),
        ("account-debt", of(account_in_debt())),
        ("account-quiet", of(quiet_day())),
        ("account-new", of(new_account())),
        ("hostile-account", of(hostile_account())),
    ]
}
