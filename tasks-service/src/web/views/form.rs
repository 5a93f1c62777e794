//! The forms: a new task, another text, another performer. Each is a page that a script can also show in a dialog.

use askama::Template;
use askama_web::WebTemplate;
use platform::ui::{Money, Person, Shell, grouped};
use uuid::Uuid;

/// How the performer is found. Sent as `pick=random`, or `pick=chosen` with `performer=<id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pick {
    /// The exchange draws one.
    #[default]
    Random,
    /// This one, or none chosen yet.
    Chosen(Option<Uuid>),
}

impl Pick {
    /// Whether a person is asked for.
    fn is_chosen(self) -> bool {
        matches!(self, Self::Chosen(_))
    }

    /// Whether it is this person.
    fn is(self, person: &Person) -> bool {
        self == Self::Chosen(Some(person.id))
    }
}

/// One sentence for each field that needs another value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FormErrors {
    /// For `title`.
    pub title: Option<String>,
    /// For `description`.
    pub description: Option<String>,
    /// For `reference`.
    pub reference: Option<String>,
    /// For `performer`.
    pub performer: Option<String>,
}

impl FormErrors {
    /// Whether the form can be taken as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The texts of a task as they were typed, and what is wrong with them.
#[derive(Debug, Clone, Default)]
pub struct TaskForm {
    /// Field `title`.
    pub title: String,
    /// Field `description`.
    pub description: String,
    /// Field `reference`; empty means none.
    pub reference: String,
    /// Fields `pick` and `performer`.
    pub pick: Pick,
    /// What is wrong; answer with status 422 when there is something.
    pub errors: FormErrors,
}

/// `GET /tasks/new`, and the answer of `POST /tasks` when a field needs another value (422).
#[derive(Debug, Template, WebTemplate)]
#[template(path = "new_task.html")]
pub struct NewTaskPage {
    /// The frame, at `Section::Tasks`.
    pub shell: Shell,
    /// Field `task`: the id of the task to be, made with the form, so that a form sent twice files one task.
    pub id: Uuid,
    /// What was typed so far.
    pub form: TaskForm,
    /// How many people a draw can hit.
    pub eligible: u64,
    /// Whom the person who looks may choose; empty when they may not choose at all.
    pub performers: Vec<Person>,
}

/// `GET /tasks/T-<number>/edit`, and the answer of its `POST` when a field needs another value (422).
#[derive(Debug, Template, WebTemplate)]
#[template(path = "edit_task.html")]
pub struct EditTaskPage {
    /// The frame, at `Section::Tasks`.
    pub shell: Shell,
    /// Which task.
    pub number: i64,
    /// What was typed so far; its `pick` is not asked for.
    pub form: TaskForm,
}

/// `GET /tasks/T-<number>/assign`, and the answer of its `POST` when the choice cannot be taken (422).
///
/// The form sends `csrf_token`, `seen`, `pick` and `performer`.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "assign.html")]
pub struct AssignPage {
    /// The frame, at `Section::Tasks`.
    pub shell: Shell,
    /// Which task.
    pub number: i64,
    /// Who has it now.
    pub current: Option<Person>,
    /// Field `seen`: the time of the task's last event in microseconds, so that a form sent twice draws once.
    pub seen: i64,
    /// How many people a draw can hit.
    pub eligible: u64,
    /// Who can be chosen, by name.
    pub performers: Vec<Person>,
    /// What was chosen so far.
    pub pick: Pick,
    /// Why the choice cannot be taken.
    pub error: Option<String>,
    /// What the new performer is charged, when the price is known.
    pub fee: Option<Money>,
}

/// `GET /tasks/T-<number>/cancel`: asks first, as it cannot be undone. The form sends `csrf_token`.
#[derive(Debug, Template, WebTemplate)]
#[template(path = "cancel_task.html")]
pub struct CancelTaskPage {
    /// The frame, at `Section::Tasks`.
    pub shell: Shell,
    /// Which task.
    pub number: i64,
    /// Its title.
    pub title: String,
}

impl NewTaskPage {
    fn odds(&self) -> String {
        odds(self.eligible)
    }
}

impl AssignPage {
    fn odds(&self) -> String {
        odds(self.eligible)
    }
}

/// What a draw among so many people means for each of them.
fn odds(eligible: u64) -> String {
    match eligible {
        0 => "Nobody can be a performer now: the task will wait".to_owned(),
        1 => "Only one person can be a performer now".to_owned(),
        many => format!("One of {}, all equally likely", grouped(many)),
    }
}
