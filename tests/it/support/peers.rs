//! The other services and their issuer, played by the test: they answer what they are told to.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Result;
use axum::{
    Json,
    extract::{Query, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::{DateTime, Utc};
use contracts::{
    identity::{BatchGetUsers, User, UsersBatch, UsersPage},
    messages::{SentCounts, SentIds},
    tasks::{BatchGetTasks, Task, TasksBatch, TasksPage},
};
use platform::{
    conciliation::{self, Page, Span},
    lifecycle::Lifecycle,
    routes::Routes,
};
use sea_orm::DatabaseConnection;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::{bridge::PlayedBridge, issuer::PlayedIssuer, load::Load};

/// Both peers and the issuer behind one address; clones share what they know.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    address: SocketAddr,
    issuer: PlayedIssuer,
    bridge: PlayedBridge,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    tasks: Mutex<HashMap<Uuid, Task>>,
    users: Mutex<HashMap<Uuid, User>>,
    /// Where messages are logged that were sent to the service under test.
    sent: Mutex<Option<DatabaseConnection>>,
    is_down: AtomicBool,
    load: Load,
}

impl Peers {
    /// Answers on a free port until `lifecycle` stops; knows nobody and nothing yet.
    pub(crate) async fn start(lifecycle: &Lifecycle) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let peers = Self {
            address: listener.local_addr()?,
            issuer: PlayedIssuer::default(),
            bridge: PlayedBridge::default(),
            shared: Arc::default(),
        };
        let rest = Routes::new()
            .route("/tasks/batch-get", post(tasks))
            .route("/tasks", get(all_tasks))
            .route("/messages/sent", get(sent))
            .route("/messages/sent/ids", get(sent_ids))
            .route("/users/batch-get", post(users))
            .route("/users", get(all_users))
            .merge(peers.bridge.routes())
            .layer(middleware::from_fn_with_state(peers.clone(), admit));
        let router = rest.with_state(peers.clone()).merge(peers.issuer.routes());
        platform::http::serve(lifecycle, "peers", listener, router)?;
        Ok(peers)
    }

    /// The address of both peers.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The issuer of their tokens.
    pub(crate) fn issuer(&self) -> String {
        format!("{}/realms/it", self.url())
    }

    /// From now on the issuer gives tokens that are good for so many `seconds`.
    pub(crate) fn issue_tokens_for(&self, seconds: u32) {
        let token = json!({"access_token": "it", "token_type": "Bearer", "expires_in": seconds});
        self.issuer.answer(StatusCode::OK, token);
    }

    /// The operations of the auth bridge, which it has once somebody plays them.
    pub(crate) fn bridge(&self) -> &PlayedBridge {
        &self.bridge
    }

    /// From now on the task board knows `task`.
    pub(crate) fn add_task(&self, task: Task) {
        self.shared
            .tasks
            .lock()
            .expect("no test panics here")
            .insert(task.task_uuid, task);
    }

    /// From now on the auth bridge knows `user`.
    pub(crate) fn add_user(&self, user: User) {
        self.shared
            .users
            .lock()
            .expect("no test panics here")
            .insert(user.user_id, user);
    }

    /// From now on the auth bridge knows something else of a user.
    pub(crate) fn change_user(&self, user: Uuid, change: impl FnOnce(&mut User)) {
        let mut users = self.shared.users.lock().expect("no test panics here");
        change(users.get_mut(&user).expect("the user is known"));
    }

    /// From now on the auth bridge does not know a user.
    pub(crate) fn forget_user(&self, user: Uuid) {
        self.shared
            .users
            .lock()
            .expect("no test panics here")
            .remove(&user);
    }

    /// What they were asked so far.
    pub(crate) fn load(&self) -> &Load {
        &self.shared.load
    }

    /// From now on peers say that they sent what is logged in `db`.
    pub(crate) fn serve_sent(&self, db: &DatabaseConnection) {
        let mut sent = self.shared.sent.lock().expect("no test panics here");
        *sent = Some(db.clone());
    }

    fn sent(&self) -> Option<DatabaseConnection> {
        self.shared
            .sent
            .lock()
            .expect("no test panics here")
            .clone()
    }

    /// Every request is answered with 503 from now on.
    pub(crate) fn go_down(&self) {
        self.shared.is_down.store(true, Ordering::SeqCst);
    }

    /// Requests are answered again.
    pub(crate) fn come_back(&self) {
        self.shared.is_down.store(false, Ordering::SeqCst);
    }
}

async fn admit(State(peers): State<Peers>, request: Request, next: Next) -> Response {
    let _under_way = peers.shared.load.arrive();
    if peers.shared.is_down.load(Ordering::SeqCst) {
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")]).into_response();
    }
    next.run(request).await
}

async fn tasks(State(peers): State<Peers>, Json(wanted): Json<BatchGetTasks>) -> Json<TasksBatch> {
    let known = peers.shared.tasks.lock().expect("no test panics here");
    let (found, missing): (Vec<Uuid>, Vec<Uuid>) = wanted
        .ids
        .into_iter()
        .partition(|id| known.contains_key(id));
    Json(TasksBatch {
        tasks: found.iter().map(|id| known[id].clone()).collect(),
        missing,
    })
}

async fn users(State(peers): State<Peers>, Json(wanted): Json<BatchGetUsers>) -> Json<UsersBatch> {
    let known = peers.shared.users.lock().expect("no test panics here");
    let (found, missing): (Vec<Uuid>, Vec<Uuid>) = wanted
        .ids
        .into_iter()
        .partition(|id| known.contains_key(id));
    Json(UsersBatch {
        users: found.iter().map(|id| known[id].clone()).collect(),
        missing,
    })
}

async fn all_users(State(peers): State<Peers>) -> Json<UsersPage> {
    let known = peers.shared.users.lock().expect("no test panics here");
    Json(UsersPage {
        users: known.values().cloned().collect(),
        next: None,
    })
}

async fn all_tasks(State(peers): State<Peers>) -> Json<TasksPage> {
    let known = peers.shared.tasks.lock().expect("no test panics here");
    Json(TasksPage {
        tasks: known.values().cloned().collect(),
        next: None,
    })
}

async fn sent(State(peers): State<Peers>, Query(span): Query<Hours>) -> Json<SentCounts> {
    let span = Span {
        from: span.from,
        until: span.until,
    };
    let counts = match peers.sent() {
        Some(db) => conciliation::counts(&db, span)
            .await
            .expect("the log can be read"),
        None => Vec::new(),
    };
    Json(SentCounts { counts })
}

async fn sent_ids(State(peers): State<Peers>, Query(wanted): Query<Ids>) -> Json<SentIds> {
    let page = Page {
        hour: wanted.hour,
        routing_key: &wanted.routing_key,
        after: wanted.after,
        limit: wanted.limit,
    };
    let db = peers
        .sent()
        .expect("ids are asked for where there are counts");
    let ids = conciliation::ids(&db, page).await;
    Json(ids.expect("the log can be read"))
}

#[derive(Debug, Deserialize)]
struct Hours {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
struct Ids {
    hour: DateTime<Utc>,
    routing_key: String,
    after: Option<Uuid>,
    limit: u32,
}
