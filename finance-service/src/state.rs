//! What the page handlers share.

use std::sync::Arc;

use axum::extract::FromRef;
use chrono_tz::Tz;
use platform::{auth::WebAuth, sources::Sources, ui::Site};
use sea_orm::DatabaseConnection;

use crate::domain::{calendar::Calendar, money::Currency};

/// The path that all pages begin with.
pub const BASE: &str = "/finance";

/// The state of the page router; clones share everything.
#[derive(Debug, Clone)]
pub struct PageState {
    /// The own database.
    pub db: DatabaseConnection,
    /// The moment a page is made for.
    pub sources: Sources,
    /// What all pages have in common.
    pub site: Site,
    /// Who is asking.
    pub auth: WebAuth,
    /// Which day it is.
    pub calendar: Arc<Calendar<Tz>>,
    /// What amounts are in.
    pub currency: Currency,
}

impl FromRef<PageState> for WebAuth {
    fn from_ref(state: &PageState) -> Self {
        state.auth.clone()
    }
}
