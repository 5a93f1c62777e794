//! What the operations pages of this service are about; the overview of the task board shows them too.

use platform::{
    operations::{copies::LocalCopy, web::Subject},
    people,
};

use crate::app::task_cache;

/// The subject.
pub(crate) static SUBJECT: Subject = Subject {
    name: "Finance",
    key: "finance",
    base: "/finance/operations",
    copies: &[
        LocalCopy {
            name: "Users",
            table: "user_cache",
            fetch_kind: Some(people::KIND),
        },
        LocalCopy {
            name: "Tasks",
            table: "task_cache",
            fetch_kind: Some(task_cache::KIND),
        },
    ],
    others: &[],
};
