//! Pages for people: handlers that extract, call one function of `app` and render a view.

mod board;
mod change;
mod convert;
mod file;
mod task;
pub mod views;
mod visitor;

use axum::{
    middleware,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use platform::{
    auth, http,
    operations::{self, web::Operations},
    routes::Routes,
    ui::{self, Frame, PageGuard, PageProblem, Visit},
};

use self::visitor::Visitor;
use crate::state::{BASE, PageState};

/// Everything below `/tasks` and `/operations`, with what `guard` adds to every answer.
pub fn router(state: PageState, operations: Operations, guard: PageGuard) -> Routes {
    let pages = Routes::new()
        .route("/", get(board::all).post(file::create))
        .route("/home", get(home))
        .route("/mine", get(board::mine))
        .route("/new", get(file::form))
        .route("/{task}", get(task::page))
        .route("/{task}/complete", post(change::complete))
        .route(
            "/{task}/assign",
            get(change::assign_form).post(change::assign),
        )
        .route("/{task}/edit", get(change::edit_form).post(change::edit))
        .route(
            "/{task}/cancel",
            get(change::cancel_form).post(change::cancel),
        )
        .fallback(not_found)
        .with_state(state.clone());
    let router = Routes::new()
        .nest(BASE, pages.merge(auth::web::router(state.auth)))
        .route("/tasks/", get(|| async { Redirect::permanent(BASE) }))
        .merge(operations::web::router(operations))
        .merge(ui::assets::router(BASE))
        .fallback(nothing)
        .layer(middleware::from_fn(ui::forget_shown_toast));
    guard.around(http::with_defaults(router, state.app.sources))
}

/// `GET /tasks/home`: the board for those who lead, their own tasks for everybody else.
async fn home(visitor: Visitor) -> Redirect {
    let roles: Vec<_> = visitor.principal.roles().iter().copied().collect();
    Redirect::to(ui::home(&roles))
}

/// Outside of these there is nothing, whoever asks.
async fn nothing(visit: Visit) -> Response {
    let frame = Frame::new(BASE, visit.theme);
    PageProblem::not_found().plain(frame, BASE).into_response()
}

async fn not_found(visitor: Visitor) -> Response {
    visitor.refuse(PageProblem::not_found())
}
