//! What the operations pages of this service are about, and whose parts its overview shows.

use platform::{
    operations::{
        copies::LocalCopy,
        web::{HOME, Part, Subject},
    },
    people,
};

/// The subject.
pub(crate) static SUBJECT: Subject = Subject {
    name: "Tasks",
    key: "tasks",
    base: HOME,
    copies: &[
        LocalCopy {
            name: "Users",
            table: "user_cache",
            fetch_kind: Some(people::KIND),
        },
        LocalCopy {
            name: "Prices",
            table: "price_cache",
            fetch_kind: None,
        },
    ],
    others: &[
        Part {
            name: "Finance",
            key: "finance",
            path: "/finance/operations",
            has_audit: true,
        },
        Part {
            name: "Auth",
            key: "auth",
            path: "/operations/auth",
            has_audit: false,
        },
    ],
};
