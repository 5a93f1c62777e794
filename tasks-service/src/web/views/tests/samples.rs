//! Every page of the board in every state that looks different, for tests of the templates.

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use contracts::{identity::Role, tasks::TaskStatus};
use platform::ui::{Money, Person, Section, Shell, Site, Viewer, Visit};
use uuid::Uuid;

use super::{super::*, hostile, task::*};

const NAMES: [&str; 14] = [
    "Mara Lindqvist",
    "Jonas Weber",
    "Tomás Ferreira",
    "Aiko Tanaka",
    "Ewa Kowalczyk",
    "Samuel Osei",
    "Lena Fischer",
    "Grace Okafor",
    "Hugo Martin",
    "Inês Duarte",
    "Yusuf Demir",
    "Petra Novak",
    "Dmitri Volkov",
    "Ruth Adeyemi",
];

/// Thursday 19 November 2026, 14:46 in Berlin.
pub(super) fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 19, 13, 46, 0).unwrap()
}

pub(super) fn ago(minutes: i64) -> DateTime<Utc> {
    now() - TimeDelta::minutes(minutes)
}

pub(super) fn person(index: usize) -> Person {
    let id = Uuid::from_u128(u128::try_from(index + 1).unwrap());
    Person::new(id, NAMES[index % NAMES.len()])
}

fn people() -> Vec<Person> {
    (0..NAMES.len()).map(person).collect()
}

fn shell_of(viewer: Person, roles: &[Role], section: Section) -> Shell {
    let site = Site {
        base: "/tasks",
        time_zone: chrono_tz::Europe::Berlin,
        profile_url: Some("http://localhost:21006/realms/task-exchange/account".to_owned()),
    };
    let viewer = Viewer {
        person: viewer,
        roles: roles.to_vec(),
        csrf_token: "token".to_owned(),
    };
    Shell::new(&site, Visit::default(), viewer, now()).at(section)
}

pub(super) fn performer_shell(section: Section) -> Shell {
    shell_of(person(0), &[Role::Employee], section)
}

pub(super) fn manager_shell() -> Shell {
    let manager = Person::new(Uuid::from_u128(40), "Priya Raman");
    shell_of(manager, &[Role::Employee, Role::Manager], Section::Tasks)
}

pub(super) fn row(number: i64, title: &str, performer: usize, minutes: i64) -> TaskRow {
    TaskRow {
        number,
        title: title.to_owned(),
        reference: None,
        status: TaskStatus::Open,
        performer: Some(person(performer)),
        at: ago(minutes),
        can_complete: true,
        can_assign: true,
    }
}

fn board_rows() -> Vec<TaskRow> {
    let mut rows = vec![
        row(
            4871,
            "Rotate the signing keys for the billing webhook",
            0,
            4,
        ),
        row(4870, "Invoice PDF cuts off the last line on A4", 2, 11),
        row(
            4868,
            "Add retry with backoff to the courier status poller",
            3,
            38,
        ),
        row(
            4866,
            "Monthly statement export times out above 50,000 rows",
            1,
            70,
        ),
        row(4865, "Fix the flaky currency rounding test", 7, 80),
        row(4863, "Show the tax number on credit notes", 5, 130),
        row(4861, "Move image thumbnails to the new bucket", 4, 190),
        row(
            4858,
            "Find customers by name with umlauts and accents",
            6,
            1_500,
        ),
        row(
            4857,
            "Reduce the cold start of the pricing worker",
            10,
            1_600,
        ),
        row(
            4855,
            "Describe the refund approval flow for new colleagues",
            9,
            1_700,
        ),
        row(
            4849,
            "Replace the deprecated map tiles on the tracking page",
            11,
            4_400,
        ),
        row(4846, "Delete abandoned carts after 30 days", 0, 4_500),
    ];
    rows[1].reference = Some("BILL-207".to_owned());
    rows[3].status = TaskStatus::Waiting;
    rows[3].performer = None;
    rows[3].can_complete = false;
    rows
}

fn board(query: BoardQuery, rows: Vec<TaskRow>) -> BoardPage {
    let shell = manager_shell();
    BoardPage {
        days: Day::group(rows, shell.clock()),
        shell,
        query,
        counts: BoardCounts {
            open: Some(1_284),
            done_today: Some(49),
            all: None,
        },
        performers: people(),
        next: None,
    }
}

fn all_states() -> BoardPage {
    let mut rows = board_rows();
    rows[0].status = TaskStatus::Completed;
    rows[2].status = TaskStatus::Cancelled;
    for row in [0, 2] {
        rows[row].can_complete = false;
        rows[row].can_assign = false;
    }
    let query = BoardQuery {
        view: BoardView::All,
        order: Order::Assigned,
        performer: Some(Uuid::from_u128(99)),
        ..BoardQuery::default()
    };
    BoardPage {
        next: Some("4846".to_owned()),
        ..board(query, rows)
    }
}

fn nothing_found() -> BoardPage {
    let query = BoardQuery {
        q: "tariff".to_owned(),
        ..BoardQuery::default()
    };
    let counts = BoardCounts {
        open: Some(0),
        done_today: Some(0),
        all: Some(3),
    };
    BoardPage {
        counts,
        ..board(query, Vec::new())
    }
}

pub(super) fn mine(view: MineView) -> MinePage {
    let shell = performer_shell(Section::MyTasks);
    let rows = vec![
        row(
            4871,
            "Rotate the signing keys for the billing webhook",
            0,
            4,
        ),
        row(4846, "Delete abandoned carts after 30 days", 0, 240),
        row(
            4854,
            "Stop logging full card tokens in the payment gateway",
            0,
            300,
        ),
        row(4829, "Slow query on the order history page", 0, 2_900),
    ];
    let done = [
        (4841, "Move the status page to its own host"),
        (4838, "Print the return code on warehouse labels"),
    ]
    .map(|(number, title)| TaskRow {
        status: TaskStatus::Completed,
        can_complete: false,
        ..row(number, title, 0, 26)
    });
    MinePage {
        days: Day::group(rows, shell.clock()),
        shell,
        query: MineQuery {
            view,
            ..MineQuery::default()
        },
        counts: MineCounts {
            open: Some(4),
            done: Some(312),
        },
        done_today: done.to_vec(),
        next: None,
    }
}

fn nothing_on_the_desk() -> MinePage {
    MinePage {
        days: Vec::new(),
        done_today: Vec::new(),
        counts: MineCounts::default(),
        ..mine(MineView::Open)
    }
}

pub(super) fn new_task(shell: Shell) -> NewTaskPage {
    NewTaskPage {
        shell,
        id: Uuid::from_u128(4_872),
        form: TaskForm::default(),
        eligible: 38,
        performers: Vec::new(),
    }
}

fn refused_form() -> TaskForm {
    TaskForm {
        description: "\nSlots are printed in warehouse time.".to_owned(),
        reference: "not a key".to_owned(),
        pick: Pick::Chosen(None),
        errors: FormErrors {
            title: Some("Say in a few words what needs to be done.".to_owned()),
            description: Some("At most 10000 characters; this has 10001.".to_owned()),
            reference: Some("A reference is one word such as ABC-123.".to_owned()),
            performer: Some("Choose a person.".to_owned()),
        },
        ..TaskForm::default()
    }
}

fn refused_new_task() -> NewTaskPage {
    NewTaskPage {
        form: refused_form(),
        performers: people(),
        ..new_task(manager_shell())
    }
}

fn edit() -> EditTaskPage {
    EditTaskPage {
        shell: performer_shell(Section::Tasks),
        number: 4846,
        form: TaskForm {
            title: "Delete abandoned carts after 30 days".to_owned(),
            ..TaskForm::default()
        },
    }
}

fn assign() -> AssignPage {
    AssignPage {
        shell: manager_shell(),
        number: 4846,
        current: Some(person(0)),
        seen: 1_795_000_000_000_000,
        eligible: 38,
        performers: people(),
        pick: Pick::Chosen(None),
        error: None,
        fee: Some(Money::new(1_100, "USD")),
    }
}

fn refused_assign() -> AssignPage {
    AssignPage {
        current: None,
        eligible: 0,
        error: Some("Choose a person.".to_owned()),
        fee: None,
        ..assign()
    }
}

fn cancel() -> CancelTaskPage {
    CancelTaskPage {
        shell: manager_shell(),
        number: 4846,
        title: "Delete abandoned carts after 30 days".to_owned(),
    }
}

/// All samples by name; those of hostile people are named so.
pub(super) fn pages() -> Vec<(&'static str, String)> {
    let of = |page: &dyn askama::DynTemplate| page.dyn_render().unwrap();
    vec![
        ("tasks", of(&board(BoardQuery::default(), board_rows()))),
        ("tasks-all", of(&all_states())),
        ("tasks-not-found", of(&nothing_found())),
        ("tasks-empty", of(&board(BoardQuery::default(), Vec::new()))),
        ("mine", of(&mine(MineView::Open))),
        ("mine-done", of(&mine(MineView::Done))),
        ("mine-empty", of(&nothing_on_the_desk())),
        ("new", of(&new_task(performer_shell(Section::Tasks)))),
        ("new-refused", of(&refused_new_task())),
        ("edit", of(&edit())),
        ("assign", of(&assign())),
        ("assign-refused", of(&refused_assign())),
        ("cancel", of(&cancel())),
        ("task", of(&task_of_performer())),
        ("task-manager", of(&task_of_manager())),
        ("task-waiting", of(&waiting_task())),
        ("task-done", of(&finished_task(TaskStatus::Completed))),
        ("task-cancelled", of(&finished_task(TaskStatus::Cancelled))),
        ("hostile-board", of(&hostile::board())),
        ("hostile-search", of(&hostile::search())),
        ("hostile-form", of(&hostile::form())),
        ("hostile-task", of(&hostile::task())),
    ]
}
