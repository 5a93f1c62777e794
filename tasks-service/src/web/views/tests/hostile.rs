//! Pages full of what somebody who means harm would type everywhere.

use contracts::identity::Role;
use platform::ui::{Money, Person, Shell, Site, Toast, Viewer, Visit};
use uuid::Uuid;

use super::{super::*, samples::*, task::*};

/// What somebody who means harm would type everywhere.
const HOSTILE: &str =
    "\"><script>alert(1)</script><img src=x onerror=alert(1)>' {{7*7}} \u{202e}<!--";

fn hostile_person() -> Person {
    Person::new(Uuid::from_u128(66), HOSTILE)
}

fn hostile_shell() -> Shell {
    let mut visit = Visit::default();
    visit.toast = Some(Toast::new(HOSTILE).with_link("/tasks", HOSTILE));
    let site = Site {
        base: "/tasks",
        time_zone: chrono_tz::UTC,
        profile_url: Some(HOSTILE.to_owned()),
    };
    let viewer = Viewer {
        person: hostile_person(),
        roles: vec![Role::Employee],
        csrf_token: HOSTILE.to_owned(),
    };
    Shell::new(&site, visit, viewer, now())
}

fn hostile_row() -> TaskRow {
    TaskRow {
        title: HOSTILE.to_owned(),
        reference: Some(HOSTILE.to_owned()),
        performer: Some(hostile_person()),
        ..row(1, "", 0, 1)
    }
}

pub(super) fn board() -> BoardPage {
    let shell = hostile_shell();
    BoardPage {
        query: BoardQuery {
            q: HOSTILE.to_owned(),
            after: Some(HOSTILE.to_owned()),
            ..BoardQuery::default()
        },
        days: Day::group(vec![hostile_row()], shell.clock()),
        performers: vec![hostile_person()],
        next: Some(HOSTILE.to_owned()),
        shell,
        counts: BoardCounts::default(),
    }
}

pub(super) fn search() -> MinePage {
    MinePage {
        shell: hostile_shell(),
        query: MineQuery {
            q: HOSTILE.to_owned(),
            ..MineQuery::default()
        },
        days: Vec::new(),
        ..mine(MineView::Open)
    }
}

pub(super) fn form() -> NewTaskPage {
    let said = || Some(HOSTILE.to_owned());
    NewTaskPage {
        form: TaskForm {
            title: HOSTILE.to_owned(),
            description: format!("{HOSTILE}</textarea>"),
            reference: HOSTILE.to_owned(),
            pick: Pick::Chosen(Some(hostile_person().id)),
            errors: FormErrors {
                title: said(),
                description: said(),
                reference: said(),
                performer: said(),
            },
        },
        performers: vec![hostile_person()],
        ..new_task(hostile_shell())
    }
}

pub(super) fn task() -> TaskPage {
    TaskPage {
        shell: hostile_shell(),
        task: TaskDetail {
            title: HOSTILE.to_owned(),
            description: format!("{HOSTILE}\n\n[x](javascript:alert(1))\n\n{HOSTILE}"),
            reference: Some(HOSTILE.to_owned()),
            author: hostile_person(),
            performer: Some(hostile_person()),
            ..detail()
        },
        history: vec![
            entry(
                1,
                Some(hostile_person()),
                Happened::Edited(HOSTILE.to_owned()),
            ),
            entry(
                2,
                Some(hostile_person()),
                Happened::Assigned {
                    to: hostile_person(),
                    from: Some(hostile_person()),
                    why: Why::Chosen,
                },
            ),
        ],
        price: Some(Price {
            fee: Money::new(1, "<b>"),
            reward: Money::new(1, "<b>"),
            assignments: 1,
        }),
        ..task_of_manager()
    }
}
