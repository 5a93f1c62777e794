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
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use contracts::{
    identity::{BatchGetUsers, User, UsersBatch, UsersPage},
    tasks::{BatchGetTasks, Task, TasksBatch},
};
use platform::{lifecycle::Lifecycle, routes::Routes};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::{issuer::PlayedIssuer, load::Load};

/// Both peers and the issuer behind one address; clones share what they know.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    tasks: Mutex<HashMap<Uuid, Task>>,
    users: Mutex<HashMap<Uuid, User>>,
    is_down: AtomicBool,
    load: Load,
}

impl Peers {
    /// Answers on a free port until `lifecycle` stops; knows nobody and nothing yet.
    pub(crate) async fn start(lifecycle: &Lifecycle) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let peers = Self {
            address: listener.local_addr()?,
            shared: Arc::default(),
        };
        let rest = Routes::new()
            .route("/tasks/batch-get", post(tasks))
            .route("/users/batch-get", post(users))
            .route("/users", get(all_users))
            .layer(middleware::from_fn_with_state(peers.clone(), admit));
        let router = rest
            .with_state(peers.clone())
            .merge(PlayedIssuer::default().routes());
        platform::http::serve(lifecycle, "peers", listener, router)?;
        Ok(peers)
    }

    /// Where they listen.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of both peers.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The issuer of their tokens.
    pub(crate) fn issuer(&self) -> String {
        format!("{}/realms/it", self.url())
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
