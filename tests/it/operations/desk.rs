//! A finance-service with somebody who is logged in and looks at its operations pages.

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use contracts::{identity::Role, tasks::TaskAssigned, topology::FINANCE_TASKS};
use platform::sources::Clock as _;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    builders::{assigned, id},
    finance::Finance,
    http,
    waiting::{eventually, until},
};

/// The service, and the session that requests come from.
pub(super) struct Desk {
    pub(super) finance: Finance,
    cookie: String,
    csrf: String,
}

impl Desk {
    /// An administrator sits at it.
    pub(super) async fn open() -> Result<Self> {
        Self::open_as(&[Role::Administrator]).await
    }

    /// Somebody with these roles sits at it.
    pub(super) async fn open_as(roles: &[Role]) -> Result<Self> {
        let finance = Finance::start().await?;
        let cookie = log_in(&finance, roles).await?;
        let mut desk = Self {
            finance,
            cookie,
            csrf: String::new(),
        };
        if roles.contains(&Role::Administrator) {
            let overview = desk.read("").await?;
            let token = overview["csrf_token"].as_str();
            token
                .context("the overview has the token")?
                .clone_into(&mut desk.csrf);
        }
        Ok(desk)
    }

    /// A request to one of the pages; `path` follows `/finance/operations`.
    pub(super) fn ask(&self, method: Method, path: &str) -> Result<RequestBuilder> {
        let url = format!(
            "http://{}/finance/operations{path}",
            self.finance.listeners().pages.address
        );
        let request = http::client()?.request(method, url);
        Ok(request.header("cookie", format!("finance_session={}", self.cookie)))
    }

    /// What a page says as data.
    pub(super) async fn read(&self, path: &str) -> Result<Value> {
        Ok(self.get(path, "application/json").await?.json().await?)
    }

    /// The page as people see it.
    pub(super) async fn page(&self, path: &str) -> Result<String> {
        Ok(self.get(path, "text/html").await?.text().await?)
    }

    /// Asks until there is an answer: on a busy machine the first connections to the database take long.
    async fn get(&self, path: &str, accept: &str) -> Result<Response> {
        let answer = eventually("the page is shown", || async {
            let request = self.ask(Method::GET, path)?.header("accept", accept);
            let answer = request.send().await?;
            Ok((answer.status() != StatusCode::SERVICE_UNAVAILABLE).then_some(answer))
        })
        .await?;
        ensure!(
            answer.status() == StatusCode::OK,
            "{path}: {}",
            answer.status()
        );
        Ok(answer)
    }

    /// Gives a command, as a script does.
    pub(super) async fn command(&self, path: &str, form: &[(&str, &str)]) -> Result<Response> {
        let request = self
            .ask(Method::POST, path)?
            .header("accept", "application/json")
            .header("x-csrf-token", &self.csrf);
        Ok(request.form(form).send().await?)
    }

    /// Gives a command and demands that it is carried out; answers what it did.
    pub(super) async fn done(&self, path: &str, form: &[(&str, &str)]) -> Result<Value> {
        let answer = self.command(path, form).await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status == StatusCode::OK, "{path}: {status} {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Finance parks an assignment that is too far ahead of its clock; answers message and parked id.
    pub(super) async fn park_early(&self) -> Result<(TaskAssigned, Uuid)> {
        let before = self.finance.parked().await?.len();
        let mut early = assigned(id(), id(), 0);
        early.timestamp = self.finance.clock.now() + TimeDelta::minutes(6);
        self.finance.broker.publish(&early).await?;
        self.finance.until_parked(before + 1).await?;
        let newest = "SELECT id FROM parked_message ORDER BY id DESC LIMIT 1";
        let parked = sqlx::query_scalar(newest)
            .fetch_one(&self.finance.database.owned)
            .await?;
        Ok((early, parked))
    }

    /// The time comes for which early assignments were meant.
    pub(super) fn let_time_pass(&self) {
        self.finance.clock.advance(TimeDelta::minutes(10));
    }

    /// Waits until the queue of tasks is empty and everything sent again has left the outbox.
    pub(super) async fn settled(&self) -> Result<()> {
        until("everything was sent", || async {
            Ok(self.finance.database.count("outbox", "true").await? == 0
                && self.finance.broker.depth(FINANCE_TASKS.name).await? == 0)
        })
        .await?;
        self.finance.idle().await
    }

    /// One field of a parked message.
    pub(super) async fn state(&self, parked: Uuid) -> Result<String> {
        let sql = "SELECT state FROM parked_message WHERE id = $1";
        Ok(sqlx::query_scalar(sql)
            .bind(parked)
            .fetch_one(&self.finance.database.owned)
            .await?)
    }

    /// What the audit says, oldest first: action, reason, before and after.
    pub(super) async fn audit(&self) -> Result<Vec<(String, String, Value, Value)>> {
        let sql =
            "SELECT action, reason, before::text, after::text FROM operations_audit ORDER BY id";
        let rows: Vec<(String, String, String, String)> = sqlx::query_as(sql)
            .fetch_all(&self.finance.database.owned)
            .await?;
        rows.into_iter()
            .map(|(action, reason, before, after)| {
                let (before, after) = (
                    serde_json::from_str(&before)?,
                    serde_json::from_str(&after)?,
                );
                Ok((action, reason, before, after))
            })
            .collect()
    }
}

/// Writes a session as the login does, and answers its cookie; nobody asks the issuer while it is young.
async fn log_in(finance: &Finance, roles: &[Role]) -> Result<String> {
    let (user, secret) = (id(), [id().into_bytes(), id().into_bytes()].concat());
    let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
    let person = json!({
        "user_id": user, "username": "ann", "email": null, "first_name": "Ann",
        "last_name": "Archer", "roles": roles,
    });
    let insert = "INSERT INTO session (id_hash, user_id, sid, person, id_token, check_at, created_at, \
                  seen_at, expires_at, ends_at) VALUES (sha256($1), $2, 'it', $3::text::jsonb, '', \
                  $4 + interval '1 day', $4, $4, $4 + interval '1 day', $4 + interval '1 day')";
    sqlx::query(insert)
        .bind(&secret)
        .bind(user)
        .bind(person.to_string())
        .bind(finance.clock.now())
        .execute(&finance.database.owned)
        .await?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(secret))
}
