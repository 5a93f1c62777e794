//! The lists: all tasks of the exchange, and those of the person who looks.

use askama::Template;
use askama_web::WebTemplate;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::tasks::TaskStatus;
use platform::ui::{Person, ReaderClock, Shell, grouped};

use super::query::{BoardQuery, BoardView, MineQuery, MineView, Order};
use crate::app::board::COUNT_LIMIT;

/// One task of a list.
///
/// Its button sends `POST /tasks/T-<number>/complete` with `csrf_token` and `back`, the address to return to.
#[derive(Debug, Clone)]
pub struct TaskRow {
    /// The number, shown as `T-<number>`.
    pub number: i64,
    /// The title.
    pub title: String,
    /// The key in an external tracker.
    pub reference: Option<String>,
    /// Where it is in its life.
    pub status: TaskStatus,
    /// Who has it or had it last.
    pub performer: Option<Person>,
    /// What the list is ordered and grouped by: creation, assignment, or the end of a finished task.
    pub at: DateTime<Utc>,
    /// Whether the person who looks may mark it done.
    pub can_complete: bool,
    /// Whether the person who looks may choose another performer.
    pub can_assign: bool,
}

impl TaskRow {
    /// The address of the task's page.
    #[must_use]
    pub fn href(&self) -> String {
        format!("/tasks/T-{}", self.number)
    }

    /// Whether the row has a menu.
    #[must_use]
    pub fn has_actions(&self) -> bool {
        self.can_complete || self.can_assign
    }
}

/// The rows of one local day.
#[derive(Debug, Clone)]
pub struct Day {
    /// The local date.
    pub date: NaiveDate,
    /// In the order of the list.
    pub rows: Vec<TaskRow>,
}

impl Day {
    /// Cuts an ordered list wherever the local date changes.
    #[must_use]
    pub fn group(rows: Vec<TaskRow>, clock: &ReaderClock) -> Vec<Self> {
        let mut days: Vec<Self> = Vec::new();
        for row in rows {
            let date = clock.date(&row.at);
            match days.last_mut() {
                Some(day) if day.date == date => day.rows.push(row),
                _ => days.push(Self {
                    date,
                    rows: vec![row],
                }),
            }
        }
        days
    }
}

/// A link to one view of a list.
#[derive(Debug)]
struct ViewLink {
    href: String,
    label: &'static str,
    count: Option<String>,
    is_current: bool,
}

/// How many tasks each view has under the same search and performer; `None` where nobody counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct BoardCounts {
    /// Open and waiting.
    pub open: Option<u64>,
    /// Done since local midnight.
    pub done_today: Option<u64>,
    /// All of them.
    pub all: Option<u64>,
}

impl BoardCounts {
    fn of(&self, view: BoardView) -> Option<u64> {
        match view {
            BoardView::Open => self.open,
            BoardView::DoneToday => self.done_today,
            BoardView::All => self.all,
        }
    }
}

/// `GET /tasks`: every task, grouped by day. Its form sends the fields of [`BoardQuery`].
#[derive(Debug, Template, WebTemplate)]
#[template(path = "tasks.html")]
pub struct BoardPage {
    /// The frame, at `Section::Tasks`.
    pub shell: Shell,
    /// What the address asks for.
    pub query: BoardQuery,
    /// Numbers beside the views.
    pub counts: BoardCounts,
    /// Whom the list can be narrowed to, by name.
    pub performers: Vec<Person>,
    /// This page of the list.
    pub days: Vec<Day>,
    /// The cursor of the next page, when there is one.
    pub next: Option<String>,
}

impl BoardPage {
    fn views(&self) -> impl Iterator<Item = ViewLink> {
        BoardView::ALL.into_iter().map(|view| ViewLink {
            href: self.query.href_of_view(view),
            label: view.label(),
            count: self.counts.of(view).map(in_words),
            is_current: view == self.query.view,
        })
    }

    fn is_chosen(&self, person: &Person) -> bool {
        self.query.performer == Some(person.id)
    }

    /// The performer whom the list is narrowed to stays selectable although no task of theirs is open.
    fn missing_performer(&self) -> Option<String> {
        let chosen = self.query.performer?;
        let is_listed = self.performers.iter().any(|person| person.id == chosen);
        (!is_listed).then(|| chosen.to_string())
    }

    /// What the present view leaves out, in a sentence.
    fn hits_elsewhere(&self) -> Option<String> {
        let is_narrow_view = self.query.view != BoardView::All;
        match self.counts.all.filter(|_| is_narrow_view) {
            None | Some(0) => None,
            Some(1) => Some("One task of another view does.".to_owned()),
            Some(hits) => Some(format!("{} tasks of other views do.", grouped(hits))),
        }
    }

    fn href_of_all(&self) -> String {
        self.query.href_of_view(BoardView::All)
    }
}

/// How many tasks a person has; `None` where nobody counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct MineCounts {
    /// Still to be done.
    pub open: Option<u64>,
    /// Done.
    pub done: Option<u64>,
}

impl MineCounts {
    fn of(&self, view: MineView) -> Option<u64> {
        match view {
            MineView::Open => self.open,
            MineView::Done => self.done,
        }
    }
}

/// `GET /tasks/mine`: the tasks of the person who looks. Its form sends the fields of [`MineQuery`].
#[derive(Debug, Template, WebTemplate)]
#[template(path = "mine.html")]
pub struct MinePage {
    /// The frame, at `Section::MyTasks`.
    pub shell: Shell,
    /// What the address asks for.
    pub query: MineQuery,
    /// Numbers beside the views.
    pub counts: MineCounts,
    /// This page of the list: open ones by assignment, done ones by completion, latest first.
    pub days: Vec<Day>,
    /// Below the open ones: those done since local midnight, latest first.
    pub done_today: Vec<TaskRow>,
    /// The cursor of the next page, when there is one.
    pub next: Option<String>,
}

impl MinePage {
    fn views(&self) -> impl Iterator<Item = ViewLink> {
        MineView::ALL.into_iter().map(|view| ViewLink {
            href: self.query.href_of_view(view),
            label: view.label(),
            count: self.counts.of(view).map(in_words),
            is_current: view == self.query.view,
        })
    }

    /// Open tasks stand under the day of their assignment, done ones under the day of their end.
    fn heading(&self, day: &Day) -> String {
        let words = self.shell.clock().day_heading(&day.date);
        match (self.query.view, words.as_str()) {
            (MineView::Open, "Today" | "Yesterday") => format!("Assigned {}", words.to_lowercase()),
            (MineView::Open, _) => format!("Assigned {words}"),
            (MineView::Done, _) => words,
        }
    }
}

/// Counting stops somewhere: what is beyond is only said to be so.
fn in_words(count: u64) -> String {
    match u64::try_from(COUNT_LIMIT) {
        Ok(limit) if count > limit => format!("{}+", grouped(limit)),
        _ => grouped(count),
    }
}
