//! One task: its text, its history with reasons, its properties and what it costs and pays.

use askama::Template;
use askama_web::WebTemplate;
use chrono::{DateTime, Utc};
use contracts::tasks::TaskStatus;
use platform::ui::{Markup, Money, Person, Shell, grouped, markdown};

/// What the person who looks may do with the task now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    /// `POST /tasks/T-<number>/complete` with `csrf_token` and `back`.
    pub complete: bool,
    /// `GET /tasks/T-<number>/assign`.
    pub assign: bool,
    /// `GET /tasks/T-<number>/edit`.
    pub edit: bool,
    /// `GET /tasks/T-<number>/cancel`.
    pub cancel: bool,
}

/// The task itself.
#[derive(Debug, Clone)]
pub struct TaskDetail {
    /// The number, shown as `T-<number>`.
    pub number: i64,
    /// The title.
    pub title: String,
    /// Markdown as it was typed.
    pub description: String,
    /// The key in an external tracker.
    pub reference: Option<String>,
    /// Where it is in its life.
    pub status: TaskStatus,
    /// Who filed it.
    pub author: Person,
    /// Who has it or had it last.
    pub performer: Option<Person>,
    /// When it was filed.
    pub created_at: DateTime<Utc>,
    /// When its performer got it.
    pub assigned_at: Option<DateTime<Utc>>,
    /// When it was completed or cancelled.
    pub finished_at: Option<DateTime<Utc>>,
}

/// What a task costs and pays; the same for every performer.
#[derive(Debug, Clone)]
pub struct Price {
    /// Charged with each assignment.
    pub fee: Money,
    /// Paid when it is done.
    pub reward: Money,
    /// How often it was assigned.
    pub assignments: u64,
}

impl Price {
    fn charged(&self) -> Money {
        let times = i64::try_from(self.assignments).unwrap_or(i64::MAX);
        self.fee.with_cents(self.fee.cents().saturating_mul(times))
    }

    fn times(&self) -> String {
        grouped(self.assignments)
    }

    /// What an assignment does to a performer's balance.
    fn fee_movement(&self) -> Money {
        self.fee.with_cents(self.fee.cents().saturating_neg())
    }
}

/// Why the exchange drew a performer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The task was new.
    Filed,
    /// It had waited until somebody could take it.
    Waited,
    /// Its performer was deleted, disabled or cannot be a performer any more.
    PerformerLost,
    /// Somebody asked for another draw of this task.
    Redrawn,
}

/// Why somebody got the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Picked at random among so many people.
    Drawn {
        /// What led to the draw.
        cause: Cause,
        /// How many could have been hit.
        candidates: u64,
    },
    /// Picked by the one who did it.
    Chosen,
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Happened {
    /// The task was filed.
    Filed,
    /// Texts changed; which ones, in words: "title and description".
    Edited(String),
    /// Somebody got it, perhaps from somebody else.
    Assigned {
        /// Who got it.
        to: Person,
        /// Who had it before.
        from: Option<Person>,
        /// Why.
        why: Why,
    },
    /// Its performer was lost and nobody could take over.
    Released {
        /// Who had it before.
        from: Person,
    },
    /// It was done by its performer.
    Completed {
        /// Who earns the reward.
        performer: Person,
    },
    /// It was called off.
    Cancelled,
}

/// One line of the history.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// Who did it; `None` for the exchange itself.
    pub by: Option<Person>,
    /// What.
    pub what: Happened,
}

impl HistoryEntry {
    fn icon(&self) -> &'static str {
        match &self.what {
            Happened::Filed => "plus",
            Happened::Edited(_) => "pencil",
            Happened::Assigned {
                why: Why::Drawn { .. },
                ..
            } => "shuffle",
            Happened::Assigned {
                why: Why::Chosen, ..
            } => "user",
            Happened::Released { .. } => "circle-dashed",
            Happened::Completed { .. } => "check",
            Happened::Cancelled => "x",
        }
    }

    fn actor(&self) -> &str {
        self.by
            .as_ref()
            .map_or("The exchange", |person| &person.name)
    }

    /// The reason line below an assignment.
    fn reason(&self) -> Option<String> {
        match &self.what {
            Happened::Assigned {
                why: Why::Chosen, ..
            } => Some(format!("Chosen by {}", self.actor())),
            Happened::Assigned {
                why: Why::Drawn { cause, candidates },
                ..
            } => Some(self.reason_of_draw(*cause, *candidates)),
            Happened::Released { .. } => {
                Some("Cannot be a performer any more, and nobody else could take over".to_owned())
            }
            Happened::Completed { performer } => self
                .by
                .as_ref()
                .filter(|by| by.id != performer.id)
                .map(|by| format!("Marked done by {}", by.name)),
            Happened::Filed | Happened::Edited(_) | Happened::Cancelled => None,
        }
    }

    fn reason_of_draw(&self, cause: Cause, candidates: u64) -> String {
        let among = match candidates {
            1 => "The only possible performer".to_owned(),
            many => format!("Picked at random from {} performers", grouped(many)),
        };
        match cause {
            Cause::Filed => among,
            Cause::Waited => format!("{among}, after waiting for one"),
            Cause::PerformerLost => {
                format!("{among}, as the last one cannot be a performer any more")
            }
            Cause::Redrawn => format!("{among}, asked for by {}", self.actor()),
        }
    }
}

/// `GET /tasks/T-<number>`.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "task.html")]
pub struct TaskPage {
    /// The frame, at `Section::Tasks`.
    pub shell: Shell,
    /// The task.
    pub task: TaskDetail,
    /// Newest first.
    pub history: Vec<HistoryEntry>,
    /// Known as soon as Finance has told it.
    pub price: Option<Price>,
    /// What the person who looks may do.
    pub rights: Rights,
}

impl TaskPage {
    fn description(&self) -> Markup {
        markdown::render(&self.task.description)
    }

    fn href(&self) -> String {
        format!("/tasks/T-{}", self.task.number)
    }

    fn is_mine(&self) -> bool {
        let performer = self.task.performer.as_ref();
        performer.is_some_and(|person| person.id == self.shell.person().id)
    }

    /// The list that the task stands in for the person who looks.
    fn list(&self) -> (&'static str, &'static str) {
        if self.is_mine() {
            ("/tasks/mine", "My tasks")
        } else {
            ("/tasks", "Tasks")
        }
    }

    /// How long an open task has been with its performer.
    fn held_for(&self) -> Option<String> {
        let is_open = self.task.status == TaskStatus::Open;
        let since = self.task.assigned_at.filter(|_| is_open)?;
        Some(self.shell.clock().since(&since))
    }

    fn status(&self) -> &'static str {
        match self.task.status {
            TaskStatus::Waiting => "Waiting for a performer",
            TaskStatus::Open => "Open",
            TaskStatus::Completed => "Done",
            TaskStatus::Cancelled => "Cancelled",
        }
    }
}
