//! Pages for people: handlers that extract, call one function of `app` and render a view.

mod account;
mod failure;
pub mod views;

use axum::{
    http::HeaderValue,
    middleware,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use platform::{
    auth, http,
    operations::{self, web::Operations},
    routes::Routes,
    ui::{self, Frame, PageProblem, Visit},
};

use crate::state::{BASE, PageState};

/// Everything below `/finance`, with the content policy of its pages.
pub fn router(
    state: PageState,
    operations: Operations,
    content_security_policy: HeaderValue,
) -> Routes {
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
    http::with_defaults(
        http::with_page_headers(router, content_security_policy),
        state.sources,
    )
}

async fn home() -> Redirect {
    Redirect::to("/finance/me")
}

async fn not_found(visit: Visit) -> Response {
    PageProblem::not_found()
        .plain(Frame::new(BASE, visit.theme), "/finance/me")
        .into_response()
}
