//! The REST interfaces between services as data: every route with its scope and its bodies (DESIGN.md section 7).

use chrono::{DateTime, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::{
    identity::{BatchGetUsers, User, UsersBatch, UsersPage},
    messages::{SentCounts, SentIds},
    operations::{AcceptDeletions, BridgeState, MANAGE_SCOPE, Reconcile, ResolveDead},
    tasks::{BatchGetTasks, Task, TasksBatch, TasksPage},
    topology::Publisher,
};

/// The scope that opens the routes of users.
pub const USERS_READ: &str = "users:read";

/// The scope that opens the routes of tasks.
pub const TASKS_READ: &str = "tasks:read";

/// The scope that opens the routes of sent messages, at every service.
pub const MESSAGES_READ: &str = "messages:read";

/// The methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Carries a body.
    Post,
}

impl Method {
    /// As `OpenAPI` writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
        }
    }
}

/// A parameter in the query of a route.
#[derive(Debug, Clone, Copy)]
pub struct QueryParameter {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub description: &'static str,
    /// Its schema.
    pub schema: Body,
}

/// The schema of a body, built with the generator of the document that it goes into.
pub type Body = fn(&mut SchemaGenerator) -> Schema;

/// A route that only machine tokens open.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Who serves it.
    pub service: Publisher,
    /// Its method.
    pub method: Method,
    /// Its path, parameters in braces.
    pub path: &'static str,
    /// What it answers, in one sentence.
    pub summary: &'static str,
    /// The scope a caller needs.
    pub scope: &'static str,
    /// What the query may hold.
    pub query: &'static [QueryParameter],
    /// What is sent.
    pub request: Option<Body>,
    /// What comes back with 200; without it the answer is 204.
    pub answer: Option<Body>,
}

fn body<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const AFTER: QueryParameter = QueryParameter {
    name: "after",
    description: "The last id of the page before; absent for the first page.",
    schema: body::<uuid::Uuid>,
};

const PAGE: &[QueryParameter] = &[
    AFTER,
    QueryParameter {
        name: "limit",
        description: "How many records at most, 1 to 500.",
        schema: body::<u32>,
    },
];

const HOURS: &[QueryParameter] = &[
    QueryParameter {
        name: "from",
        description: "The beginning of the first hour.",
        schema: body::<DateTime<Utc>>,
    },
    QueryParameter {
        name: "until",
        description: "The end of the last hour, at most 24 hours later.",
        schema: body::<DateTime<Utc>>,
    },
];

const IDS: &[QueryParameter] = &[
    QueryParameter {
        name: "hour",
        description: "The beginning of the hour.",
        schema: body::<DateTime<Utc>>,
    },
    QueryParameter {
        name: "routing_key",
        description: "The key.",
        schema: body::<String>,
    },
    AFTER,
    QueryParameter {
        name: "limit",
        description: "How many ids at most, 1 to 5000.",
        schema: body::<u32>,
    },
];

/// What `service` says of the messages that it sent.
const fn sent_counts(service: Publisher) -> Route {
    let summary = "How many messages were sent, by hour and key.";
    read(
        service,
        "/messages/sent",
        summary,
        MESSAGES_READ,
        body::<SentCounts>,
    )
    .with_query(HOURS)
}

/// The ids behind one of these counts.
const fn sent_ids(service: Publisher) -> Route {
    let summary = "The ids of the messages sent in one hour under one key.";
    read(
        service,
        "/messages/sent/ids",
        summary,
        MESSAGES_READ,
        body::<SentIds>,
    )
    .with_query(IDS)
}

const fn read(
    service: Publisher,
    path: &'static str,
    summary: &'static str,
    scope: &'static str,
    answer: Body,
) -> Route {
    Route {
        service,
        method: Method::Get,
        path,
        summary,
        scope,
        query: &[],
        request: None,
        answer: Some(answer),
    }
}

const fn ask(
    service: Publisher,
    path: &'static str,
    summary: &'static str,
    scope: &'static str,
    request: Body,
) -> Route {
    Route {
        service,
        method: Method::Post,
        path,
        summary,
        scope,
        query: &[],
        request: Some(request),
        answer: None,
    }
}

impl Route {
    const fn with_query(self, query: &'static [QueryParameter]) -> Self {
        Self { query, ..self }
    }

    const fn posted(self, request: Body) -> Self {
        Self {
            method: Method::Post,
            request: Some(request),
            ..self
        }
    }
}

/// Every route for machines, by service.
pub const ROUTES: &[Route] = &[
    read(
        Publisher::Auth,
        "/users",
        "All living users, page by page in the order of their ids.",
        USERS_READ,
        body::<UsersPage>,
    )
    .with_query(PAGE),
    read(
        Publisher::Auth,
        "/users/batch-get",
        "Up to 500 users at once, and which of the ids name none.",
        USERS_READ,
        body::<UsersBatch>,
    )
    .posted(body::<BatchGetUsers>),
    read(
        Publisher::Auth,
        "/users/{user_id}",
        "One user; 404 when deleted or never known.",
        USERS_READ,
        body::<User>,
    ),
    read(
        Publisher::Auth,
        "/operations",
        "How the bridge is: its outbox, its last comparison with Keycloak, alarms.",
        MANAGE_SCOPE,
        body::<BridgeState>,
    ),
    ask(
        Publisher::Auth,
        "/operations/reconcile",
        "Asks for a full comparison with Keycloak now.",
        MANAGE_SCOPE,
        body::<Reconcile>,
    ),
    ask(
        Publisher::Auth,
        "/operations/accept-deletions",
        "Lets the next comparison delete the users that the guard held back.",
        MANAGE_SCOPE,
        body::<AcceptDeletions>,
    ),
    ask(
        Publisher::Auth,
        "/operations/outbox-dead/retry",
        "Sends messages again that the broker refused too often.",
        MANAGE_SCOPE,
        body::<ResolveDead>,
    ),
    ask(
        Publisher::Auth,
        "/operations/outbox-dead/discard",
        "Discards messages that the broker refused too often.",
        MANAGE_SCOPE,
        body::<ResolveDead>,
    ),
    read(
        Publisher::Tasks,
        "/tasks",
        "All tasks, page by page in the order of their ids.",
        TASKS_READ,
        body::<TasksPage>,
    )
    .with_query(PAGE),
    read(
        Publisher::Tasks,
        "/tasks/batch-get",
        "Up to 500 tasks at once, and which of the ids name none.",
        TASKS_READ,
        body::<TasksBatch>,
    )
    .posted(body::<BatchGetTasks>),
    read(
        Publisher::Tasks,
        "/tasks/{uuid}",
        "One task; 404 when there is none of that id.",
        TASKS_READ,
        body::<Task>,
    ),
    sent_counts(Publisher::Auth),
    sent_ids(Publisher::Auth),
    sent_counts(Publisher::Tasks),
    sent_ids(Publisher::Tasks),
    sent_counts(Publisher::Finance),
    sent_ids(Publisher::Finance),
];
