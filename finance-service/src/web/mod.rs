//! Pages for people: handlers that extract, call one function of `app` and render a view.

mod account;
mod failure;
pub mod views;

use axum::{
    middleware,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use platform::{
    auth, http,
    operations::{self, web::Operations},
    routes::Routes,
    ui::{self, Frame, PageGuard, PageProblem, Visit},
};

use crate::state::{BASE, PageState};

/// Everything below `/finance`, with what `guard` adds to every answer.
pub fn router(state: PageState, operations: Operations, guard: PageGuard) -> Routes {
    let pages = Routes::new()
        .route("/", get(home))
        .route("/me", get(account::mine))
        .with_state(state.clone())
        .merge(auth::web::router(state.auth));
    let router = Routes::new()
        .nest(BASE, pages)
        .route("/finance/", get(home))
        .merge(operations::web::router(operations))
        .merge(ui::assets::router(BASE))
        .fallback(not_found)
        .layer(middleware::from_fn(ui::forget_shown_toast));
    guard.around(http::with_defaults(router, state.sources))
}

async fn home() -> Redirect {
    Redirect::to("/finance/me")
}

async fn not_found(visit: Visit) -> Response {
    PageProblem::not_found()
        .plain(Frame::new(BASE, visit.theme), "/finance/me")
        .into_response()
}
