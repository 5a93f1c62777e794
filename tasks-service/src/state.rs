//! What the page handlers share.

use axum::extract::FromRef;
use platform::{auth::WebAuth, ui::Site};

use crate::app::App;

/// The path that all pages begin with.
pub const BASE: &str = "/tasks";

/// The state of the page router; clones share everything.
#[derive(Debug, Clone)]
pub struct PageState {
    /// What the service can do.
    pub app: App,
    /// What all pages have in common.
    pub site: Site,
    /// Who is asking.
    pub auth: WebAuth,
}

impl FromRef<PageState> for WebAuth {
    fn from_ref(state: &PageState) -> Self {
        state.auth.clone()
    }
}
