//! Somebody who is logged in, put into the database of the task board as a login would leave it.

use anyhow::{Context as _, Result};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use platform::{sources::Sources, ui::CSRF_FIELD};
use reqwest::header::COOKIE;
use sha2::{Digest as _, Sha256};

use crate::{databases::FreshDatabase, http, services::Process};

/// Among how many people tasks are drawn.
const PEOPLE: i32 = 50;

/// What a form of the task board is sent with; nothing for a bare handler.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

/// Makes employees known to the board, as the user cache would have them.
pub(crate) async fn hire(tasks: &FreshDatabase) -> Result<()> {
    let sql = "INSERT INTO user_cache (user_id, username, first_name, last_name, roles, is_enabled, \
               guard, fetched_at) \
               SELECT gen_random_uuid(), 'employee' || n, 'Employee', n::text, '{employee}', true, \
               now(), now() FROM generate_series(1, $1) AS n";
    sqlx::query(sql).bind(PEOPLE).execute(&tasks.owned).await?;
    Ok(())
}

/// Begins a session of one of them, and reads the token of its forms from a page of `board`.
pub(crate) async fn begin(
    sources: &Sources,
    tasks: &FreshDatabase,
    board: &Process,
) -> Result<Session> {
    let id: [u8; 32] = sources.secret();
    let sql = "INSERT INTO session (id_hash, user_id, sid, person, id_token, check_at, created_at, \
               seen_at, expires_at, ends_at) \
               SELECT $1, user_id, 'bench', '{}', '', now() + interval '1 day', now(), now(), \
               now() + interval '1 day', now() + interval '1 day' FROM user_cache LIMIT 1";
    sqlx::query(sql)
        .bind(Sha256::digest(id).to_vec())
        .execute(&tasks.owned)
        .await?;
    let cookie = format!("tasks_session={}", BASE64_URL_SAFE_NO_PAD.encode(id));
    let asked = http::client()?
        .get(format!("http://{}/tasks/new", board.address))
        .header(COOKIE, &cookie);
    let page = asked.send().await?.error_for_status()?.text().await?;
    let start = format!("name=\"{CSRF_FIELD}\" value=\"");
    let found = page
        .split_once(&start)
        .and_then(|(_, rest)| rest.split_once('"'));
    let (csrf, _) = found.context("the page of a new task has no form")?;
    let csrf = csrf.to_owned();
    Ok(Session { cookie, csrf })
}
