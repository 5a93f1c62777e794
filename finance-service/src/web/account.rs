//! The account of the person who looks; nobody else's (DESIGN.md M12).

use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use chrono::NaiveDate;
use platform::{
    auth::Principal,
    http::RequestId,
    ui::{Money, Section, Shell, Visit},
};

use super::{
    failure,
    views::{AccountPage, AccountQuery, Entry, EntryKind, EntryTask},
};
use crate::{
    app::statements::{self, EntryCursor, Statement, StatementQuery},
    domain::ledger::TransferKind,
    state::PageState,
};

/// Nothing is booked before it.
const FIRST_DAY: NaiveDate = NaiveDate::from_epoch_days(0).unwrap();

/// `GET /finance/me`.
pub(super) async fn mine(
    State(state): State<PageState>,
    principal: Principal,
    visit: Visit,
    Extension(request_id): Extension<RequestId>,
    asked: Result<Query<AccountQuery>, QueryRejection>,
) -> Response {
    let now = state.sources.now();
    let shell = Shell::new(&state.site, visit, principal.viewer(), now).at(Section::MyAccount);
    let Query(asked) = asked.unwrap_or_default();
    let today = state.calendar.local_date(now);
    let query = StatementQuery {
        employee: principal.user_id(),
        day: asked
            .day
            .filter(|day| (FIRST_DAY..=today).contains(day))
            .unwrap_or(today),
        before: asked.before.as_deref().and_then(EntryCursor::parse),
    };
    match statements::read(&state.db, &state.calendar, query).await {
        Ok(statement) => page(shell, query, statement, state.currency.code()).into_response(),
        Err(error) => failure::page(&error, request_id)
            .within(shell)
            .into_response(),
    }
}

fn page(shell: Shell, query: StatementQuery, statement: Statement, currency: &str) -> AccountPage {
    let money = |cents| Money::new(cents, currency);
    AccountPage {
        shell,
        balance: money(statement.balance_cents),
        pays_at: None,
        day: query.day,
        days: statement.days,
        is_first_page: query.before.is_none(),
        opening: money(statement.opening_cents),
        entries: statement
            .entries
            .into_iter()
            .map(|entry| line(entry, currency))
            .collect(),
        next: statement.next.map(|cursor| cursor.to_string()),
        payouts: Vec::new(),
    }
}

fn line(entry: statements::Entry, currency: &str) -> Entry {
    Entry {
        at: entry.at,
        kind: match entry.kind {
            TransferKind::Fee => EntryKind::Fee,
            TransferKind::Reward => EntryKind::Reward,
        },
        task: entry
            .task
            .map(|(number, title)| EntryTask { number, title }),
        change: Money::new(entry.change_cents, currency),
        balance: Money::new(entry.balance_cents, currency),
        late_from: entry.late_from_day,
    }
}
