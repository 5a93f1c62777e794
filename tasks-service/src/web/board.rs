//! `GET /tasks` and `GET /tasks/mine`.

use axum::{extract::Query, response::Response};
use chrono::{DateTime, Utc};
use platform::ui::{Section, Shell};

use super::{
    convert::{self, person},
    views::{
        BoardCounts, BoardPage, BoardQuery, BoardView, Day, MineCounts, MinePage, MineQuery,
        MineView, Order, TaskRow,
    },
    visitor::Visitor,
};
use crate::{
    app::{
        board::{self, Cursor, Filter, Found, Listed, PAGE, View, day_start},
        status_of,
    },
    domain::{id::UserId, person::Caller, task::Task},
};

/// The board.
pub(super) async fn all(
    visitor: Visitor,
    Query(query): Query<BoardQuery>,
) -> Result<BoardPage, Response> {
    let shell = visitor.shell(Section::Tasks);
    let today = today(&visitor);
    let asked = board::Query {
        view: match query.view {
            BoardView::Open => View::Open,
            BoardView::DoneToday => View::DoneSince(today),
            BoardView::All => View::All,
        },
        order: match query.order {
            Order::Newest => board::Order::Newest,
            Order::Oldest => board::Order::Oldest,
            Order::Assigned => board::Order::RecentlyAssigned,
        },
        filter: Filter {
            found: search(&visitor, &query.q).await?,
            performer: query.performer.map(UserId),
        },
        after: query.after.as_deref().and_then(Cursor::parse),
        limit: PAGE,
    };
    let read = board::board(&visitor.state.app, &asked, today).await;
    let found = read.map_err(|error| visitor.fail(&error))?;
    let at = |task: &Task| match (query.view, query.order) {
        (BoardView::DoneToday, _) => task.state.closed_at().unwrap_or(task.created_at),
        (_, Order::Assigned) => task.state.assigned_at().unwrap_or(task.created_at),
        (_, Order::Newest | Order::Oldest) => task.created_at,
    };
    Ok(BoardPage {
        days: days(&shell, rows(found.page.rows, visitor.caller(), at)),
        next: found.page.next.map(|cursor| cursor.to_string()),
        counts: BoardCounts {
            open: found.counts.and_then(|counts| count(counts.open)),
            done_today: found.counts.and_then(|counts| count(counts.done)),
            all: found.counts.and_then(|counts| count(counts.all)),
        },
        performers: found.performers.iter().map(person).collect(),
        shell,
        query,
    })
}

/// The tasks of the person who looks.
pub(super) async fn mine(
    visitor: Visitor,
    Query(query): Query<MineQuery>,
) -> Result<MinePage, Response> {
    let shell = visitor.shell(Section::MyTasks);
    let caller = visitor.caller();
    let (view, order) = match query.view {
        MineView::Open => (View::Open, board::Order::RecentlyAssigned),
        MineView::Done => (View::DoneSince(DateTime::UNIX_EPOCH), board::Order::Newest),
    };
    let asked = board::Query {
        view,
        order,
        filter: Filter {
            found: search(&visitor, &query.q).await?,
            performer: Some(caller.id),
        },
        after: query.after.as_deref().and_then(Cursor::parse),
        limit: PAGE,
    };
    let read = board::mine(&visitor.state.app, &asked, today(&visitor)).await;
    let found = read.map_err(|error| visitor.fail(&error))?;
    let at = |task: &Task| {
        let last = task.state.closed_at().or(task.state.assigned_at());
        last.unwrap_or(task.created_at)
    };
    let shows_done_today = query.view == MineView::Open && asked.after.is_none();
    let done_today = if shows_done_today {
        found.done_today
    } else {
        Vec::new()
    };
    Ok(MinePage {
        days: days(&shell, rows(found.page.rows, caller, at)),
        done_today: rows(done_today, caller, at),
        next: found.page.next.map(|cursor| cursor.to_string()),
        counts: MineCounts {
            open: found.counts.and_then(|counts| count(counts.open)),
            done: found.counts.and_then(|counts| count(counts.done)),
        },
        shell,
        query,
    })
}

fn today(visitor: &Visitor) -> DateTime<Utc> {
    day_start(
        visitor.state.app.sources.now(),
        visitor.state.site.time_zone,
    )
}

/// PostgreSQL has no place for a null character, so nothing contains one.
async fn search(visitor: &Visitor, text: &str) -> Result<Option<Found>, Response> {
    let text = text.replace('\0', " ");
    let words = Some(text.trim()).filter(|text| !text.is_empty());
    let found = board::search(&visitor.state.app, words).await;
    found.map_err(|error| visitor.fail(&error))
}

fn count(count: i64) -> Option<u64> {
    u64::try_from(count).ok()
}

fn days(shell: &Shell, rows: Vec<TaskRow>) -> Vec<Day> {
    Day::group(rows, shell.clock())
}

fn rows(tasks: Vec<Listed>, caller: Caller, at: impl Fn(&Task) -> DateTime<Utc>) -> Vec<TaskRow> {
    let row = |listed: Listed| {
        let task = listed.task;
        let rights = task.rights(caller);
        TaskRow {
            number: listed.number.get(),
            title: listed.title,
            reference: listed.reference,
            status: status_of(task.state),
            performer: task.performer().map(|user| match &listed.performer {
                Some(named) => person(named),
                None => convert::unknown(user),
            }),
            at: at(&task),
            can_complete: rights.complete,
            can_assign: rights.assign,
        }
    };
    tasks.into_iter().map(row).collect()
}
