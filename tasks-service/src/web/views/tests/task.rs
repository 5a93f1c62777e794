//! The page of one task in every state that looks different.

use contracts::tasks::TaskStatus;
use platform::ui::{Money, Person, Section};
use uuid::Uuid;

use super::{super::*, samples::*};

const DESCRIPTION: &str = "Carts without an order stay in the database for ever. The table has 41 \
million rows and the nightly backup takes four hours.

- Delete carts that nobody has touched for **30 days**, in small batches.
- Keep carts that belong to an open support case, see https://example.org/support.

| Step | Rows |
|------|-----:|
| dry run | 41,000,000 |

```sql
DELETE FROM cart WHERE touched_at < now() - interval '30 days'
```

> Done when the job has run for one week.";

pub(super) fn detail() -> TaskDetail {
    TaskDetail {
        number: 4846,
        title: "Delete abandoned carts after 30 days".to_owned(),
        description: DESCRIPTION.to_owned(),
        reference: Some("SHOP-1042".to_owned()),
        status: TaskStatus::Open,
        author: person(1),
        performer: Some(person(0)),
        created_at: ago(4_543),
        assigned_at: Some(ago(274)),
        finished_at: None,
    }
}

pub(super) fn entry(minutes: i64, by: Option<Person>, what: Happened) -> HistoryEntry {
    HistoryEntry {
        at: ago(minutes),
        by,
        what,
    }
}

fn got(to: usize, from: Option<usize>, why: Why) -> Happened {
    Happened::Assigned {
        to: person(to),
        from: from.map(person),
        why,
    }
}

fn drawn(cause: Cause, candidates: u64) -> Why {
    Why::Drawn { cause, candidates }
}

fn history() -> Vec<HistoryEntry> {
    let manager = Person::new(Uuid::from_u128(40), "Priya Raman");
    vec![
        entry(
            10,
            Some(manager.clone()),
            Happened::Completed {
                performer: person(0),
            },
        ),
        entry(
            20,
            Some(person(0)),
            Happened::Completed {
                performer: person(0),
            },
        ),
        entry(30, Some(manager.clone()), Happened::Cancelled),
        entry(274, Some(manager.clone()), got(0, Some(5), Why::Chosen)),
        entry(
            1_300,
            Some(manager),
            got(5, Some(11), drawn(Cause::Redrawn, 38)),
        ),
        entry(
            2_000,
            None,
            got(11, Some(10), drawn(Cause::PerformerLost, 1_038)),
        ),
        entry(
            2_100,
            Some(person(1)),
            Happened::Edited("title and description".to_owned()),
        ),
        entry(3_000, None, got(10, None, drawn(Cause::Waited, 1))),
        entry(4_000, None, Happened::Released { from: person(3) }),
        entry(4_543, None, got(3, None, drawn(Cause::Filed, 38))),
        entry(4_543, Some(person(1)), Happened::Filed),
    ]
}

pub(super) fn task_of_performer() -> TaskPage {
    TaskPage {
        shell: performer_shell(Section::MyTasks),
        task: detail(),
        history: history().split_off(3),
        price: Some(Price {
            fee: Money::new(1_100, "USD"),
            reward: Money::new(2_700, "USD"),
            assignments: 4,
        }),
        rights: Rights {
            complete: true,
            ..Rights::default()
        },
    }
}

pub(super) fn task_of_manager() -> TaskPage {
    TaskPage {
        shell: manager_shell(),
        rights: Rights {
            complete: true,
            assign: true,
            edit: true,
            cancel: true,
        },
        ..task_of_performer()
    }
}

pub(super) fn waiting_task() -> TaskPage {
    TaskPage {
        task: TaskDetail {
            status: TaskStatus::Waiting,
            description: String::new(),
            reference: None,
            performer: None,
            assigned_at: None,
            ..detail()
        },
        history: history().split_off(10),
        price: None,
        ..task_of_manager()
    }
}

pub(super) fn finished_task(status: TaskStatus) -> TaskPage {
    TaskPage {
        task: TaskDetail {
            status,
            finished_at: Some(ago(10)),
            ..detail()
        },
        history: history(),
        rights: Rights::default(),
        ..task_of_performer()
    }
}
