//! The operations of the auth bridge, played by the test: it does as it is told and remembers it.

use std::sync::{Arc, Mutex, MutexGuard};

use axum::{
    Json,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use contracts::operations::{AcceptDeletions, BridgeState, Reconcile, ResolveDead};
use platform::routes::Routes;

/// The token that the played issuer gives to every machine.
const TOKEN: &str = "Bearer it";

/// A command that reached the bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Reconcile(Reconcile),
    AcceptDeletions(AcceptDeletions),
    Retry(ResolveDead),
    Discard(ResolveDead),
}

/// The bridge; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlayedBridge {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Absent as long as nobody plays it: then it has none of these routes.
    state: Option<BridgeState>,
    told: Vec<Told>,
}

impl Shared {
    /// Removes messages from the refused ones as the real one does, and remembers who asked for it.
    fn resolve(&mut self, asked: &ResolveDead, told: Told) -> StatusCode {
        self.told.push(told);
        let Some(state) = &mut self.state else {
            return StatusCode::NOT_FOUND;
        };
        let before = state.dead.len();
        state
            .dead
            .retain(|message| !asked.positions.contains(&message.position));
        if state.dead.len() < before {
            StatusCode::NO_CONTENT
        } else {
            StatusCode::CONFLICT
        }
    }
}

impl PlayedBridge {
    /// Where it answers.
    pub(crate) fn routes<S: Clone + Send + Sync + 'static>(&self) -> Routes<S> {
        Routes::new()
            .route("/operations", get(state))
            .route("/operations/reconcile", post(reconcile))
            .route("/operations/accept-deletions", post(accept_deletions))
            .route("/operations/outbox-dead/retry", post(retry))
            .route("/operations/outbox-dead/discard", post(discard))
            .layer(middleware::from_fn_with_state(self.clone(), admit))
            .with_state(self.clone())
    }

    /// From now on it is there, and in this state.
    pub(crate) fn play(&self, state: BridgeState) {
        self.lock().state = Some(state);
    }

    /// The commands so far.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.lock().told.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no test panics here")
    }
}

async fn admit(State(bridge): State<PlayedBridge>, request: Request, next: Next) -> Response {
    if bridge.lock().state.is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let token = request.headers().get(header::AUTHORIZATION);
    if token.is_none_or(|token| token != TOKEN) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(request).await
}

async fn state(State(bridge): State<PlayedBridge>) -> Json<Option<BridgeState>> {
    Json(bridge.lock().state.clone())
}

async fn reconcile(State(bridge): State<PlayedBridge>, Json(asked): Json<Reconcile>) -> StatusCode {
    bridge.lock().told.push(Told::Reconcile(asked));
    StatusCode::NO_CONTENT
}

/// Only as many as the alarm names.
async fn accept_deletions(
    State(bridge): State<PlayedBridge>,
    Json(asked): Json<AcceptDeletions>,
) -> StatusCode {
    let mut shared = bridge.lock();
    let alarm = shared.state.as_mut().map(|state| &mut state.alarm);
    let accepted = alarm.and_then(|alarm| alarm.take_if(|alarm| alarm.missing == asked.missing));
    shared.told.push(Told::AcceptDeletions(asked));
    if accepted.is_some() {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::CONFLICT
    }
}

async fn retry(State(bridge): State<PlayedBridge>, Json(asked): Json<ResolveDead>) -> StatusCode {
    bridge.lock().resolve(&asked, Told::Retry(asked.clone()))
}

async fn discard(State(bridge): State<PlayedBridge>, Json(asked): Json<ResolveDead>) -> StatusCode {
    bridge.lock().resolve(&asked, Told::Discard(asked.clone()))
}
