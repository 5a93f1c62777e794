//! The part of an address that says which tasks a list shows; read leniently, written without defaults.

use platform::ui::encode_query;
use serde::Deserialize;
use uuid::Uuid;

/// Which tasks the board shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BoardView {
    /// Open and waiting.
    #[default]
    Open,
    /// Done since local midnight.
    DoneToday,
    /// Whatever their state.
    All,
}

impl BoardView {
    /// In the order of the page.
    pub const ALL: [Self; 3] = [Self::Open, Self::DoneToday, Self::All];

    /// The value in the address.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::DoneToday => "done-today",
            Self::All => "all",
        }
    }

    /// The words on the page.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::DoneToday => "Done today",
            Self::All => "All",
        }
    }
}

/// In which order the board shows tasks; the time it is ordered by is also the one it is grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By creation, latest first.
    #[default]
    Newest,
    /// By creation, earliest first.
    Oldest,
    /// By the last assignment, latest first.
    Assigned,
}

impl Order {
    /// In the order of the page.
    pub const ALL: [Self; 3] = [Self::Newest, Self::Oldest, Self::Assigned];

    /// The value in the address.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Assigned => "assigned",
        }
    }

    /// The words on the page.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Newest => "Newest first",
            Self::Oldest => "Oldest first",
            Self::Assigned => "Recently assigned",
        }
    }
}

/// `GET /tasks?view=&q=&performer=&order=&after=`. Unknown and empty values mean the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "RawBoardQuery")]
pub struct BoardQuery {
    /// Which tasks.
    pub view: BoardView,
    /// Words to find in number, title, text or reference; trimmed, may be empty.
    pub q: String,
    /// Only tasks of this performer.
    pub performer: Option<Uuid>,
    /// In which order.
    pub order: Order,
    /// Where the next page begins: the cursor that the last one gave out.
    pub after: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawBoardQuery {
    view: String,
    q: String,
    performer: String,
    order: String,
    after: String,
}

impl From<RawBoardQuery> for BoardQuery {
    fn from(raw: RawBoardQuery) -> Self {
        let view = BoardView::ALL
            .into_iter()
            .find(|view| view.key() == raw.view);
        let order = Order::ALL
            .into_iter()
            .find(|order| order.key() == raw.order);
        Self {
            view: view.unwrap_or_default(),
            q: raw.q.trim().to_owned(),
            performer: raw.performer.parse().ok(),
            order: order.unwrap_or_default(),
            after: Some(raw.after).filter(|cursor| !cursor.is_empty()),
        }
    }
}

impl BoardQuery {
    /// Whether something narrows the view.
    #[must_use]
    pub fn is_narrowed(&self) -> bool {
        !self.q.is_empty() || self.performer.is_some()
    }

    /// The address of this list.
    #[must_use]
    pub fn href(&self) -> String {
        let performer = self.performer.map(|id| id.to_string()).unwrap_or_default();
        let view = non_default(self.view, BoardView::key);
        let order = non_default(self.order, Order::key);
        let fields = [
            ("view", view),
            ("q", &self.q),
            ("performer", &performer),
            ("order", order),
            ("after", self.after.as_deref().unwrap_or_default()),
        ];
        format!("/tasks{}", encode_query(&fields))
    }

    /// The first page of another view of the same search.
    #[must_use]
    pub fn href_of_view(&self, view: BoardView) -> String {
        let other = Self {
            view,
            after: None,
            ..self.clone()
        };
        other.href()
    }

    /// The page after this one.
    #[must_use]
    pub fn href_after(&self, cursor: &str) -> String {
        let next = Self {
            after: Some(cursor.to_owned()),
            ..self.clone()
        };
        next.href()
    }
}

/// Which of their tasks a person sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MineView {
    /// Still to be done, with those done today below.
    #[default]
    Open,
    /// Everything done.
    Done,
}

impl MineView {
    /// In the order of the page.
    pub const ALL: [Self; 2] = [Self::Open, Self::Done];

    /// The value in the address.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
        }
    }

    /// The word on the page.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Done => "Done",
        }
    }
}

/// `GET /tasks/mine?view=&q=&after=`. Unknown and empty values mean the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "RawMineQuery")]
pub struct MineQuery {
    /// Which tasks.
    pub view: MineView,
    /// Words to find in number, title, text or reference; trimmed, may be empty.
    pub q: String,
    /// Where the next page begins.
    pub after: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawMineQuery {
    view: String,
    q: String,
    after: String,
}

impl From<RawMineQuery> for MineQuery {
    fn from(raw: RawMineQuery) -> Self {
        let view = MineView::ALL
            .into_iter()
            .find(|view| view.key() == raw.view);
        Self {
            view: view.unwrap_or_default(),
            q: raw.q.trim().to_owned(),
            after: Some(raw.after).filter(|cursor| !cursor.is_empty()),
        }
    }
}

impl MineQuery {
    /// The address of this list.
    #[must_use]
    pub fn href(&self) -> String {
        let fields = [
            ("view", non_default(self.view, MineView::key)),
            ("q", &self.q),
            ("after", self.after.as_deref().unwrap_or_default()),
        ];
        format!("/tasks/mine{}", encode_query(&fields))
    }

    /// The first page of the other view of the same search.
    #[must_use]
    pub fn href_of_view(&self, view: MineView) -> String {
        let other = Self {
            view,
            after: None,
            ..self.clone()
        };
        other.href()
    }

    /// The page after this one.
    #[must_use]
    pub fn href_after(&self, cursor: &str) -> String {
        let next = Self {
            after: Some(cursor.to_owned()),
            ..self.clone()
        };
        next.href()
    }
}

/// An empty text for the default, which addresses leave out.
fn non_default<T: Copy + Default + PartialEq>(
    value: T,
    key: fn(T) -> &'static str,
) -> &'static str {
    if value == T::default() {
        ""
    } else {
        key(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> BoardQuery {
        let uri = format!("/tasks?{query}").parse().unwrap();
        axum::extract::Query::try_from_uri(&uri).unwrap().0
    }

    #[test]
    fn what_is_unknown_or_empty_means_the_default() {
        assert_eq!(read(""), BoardQuery::default());
        assert_eq!(
            read("view=x&order=&performer=nobody&after=&other=1"),
            BoardQuery::default()
        );
    }

    #[test]
    fn an_address_reads_back_as_it_was_written() {
        let query = BoardQuery {
            view: BoardView::DoneToday,
            q: "a&b=c #1 ü".to_owned(),
            performer: Some(Uuid::from_u128(7)),
            order: Order::Assigned,
            after: Some("2026-11-19T10:00:00Z_7".to_owned()),
        };
        let href = query.href();
        assert_eq!(read(href.split_once('?').unwrap().1), query, "{href}");
    }

    #[test]
    fn defaults_stay_out_of_the_address() {
        assert_eq!(BoardQuery::default().href(), "/tasks");
        assert_eq!(
            MineQuery::default().href_of_view(MineView::Done),
            "/tasks/mine?view=done"
        );
    }

    #[test]
    fn another_view_begins_at_its_first_page() {
        let query = read("q=tax&after=7");
        assert_eq!(query.href_of_view(BoardView::All), "/tasks?view=all&q=tax");
        assert_eq!(query.href_after("9"), "/tasks?q=tax&after=9");
    }
}
