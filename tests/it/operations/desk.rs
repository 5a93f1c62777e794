//! A service with somebody who is logged in and looks at its operations pages.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Message,
    identity::Role,
    tasks::TaskAssigned,
    topology::{ConsumerQueue, FINANCE_TASKS, dead_queue},
};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use platform::sources::Clock as _;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    broker::TestBroker,
    builders::{assigned, id},
    database::TestDatabase,
    finance::Finance,
    http,
    tasks::Board,
    waiting::{eventually, until},
};

/// A service that has operations pages.
pub(super) trait Operated: Send + Sync {
    /// The path that these begin with.
    const BASE: &'static str;

    /// The cookie of its sessions.
    const COOKIE: &'static str;

    /// Where its pages are.
    fn pages(&self) -> SocketAddr;

    /// Its own database.
    fn database(&self) -> &TestDatabase;

    /// The broker it reads from.
    fn broker(&self) -> &TestBroker;

    /// What its clock shows.
    fn now(&self) -> DateTime<Utc>;
}

impl Operated for Finance {
    const BASE: &'static str = "/finance/operations";
    const COOKIE: &'static str = "finance_session";

    fn pages(&self) -> SocketAddr {
        self.listeners().pages.address
    }

    fn database(&self) -> &TestDatabase {
        &self.database
    }

    fn broker(&self) -> &TestBroker {
        &self.broker
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

impl Operated for Board {
    const BASE: &'static str = "/operations";
    const COOKIE: &'static str = "tasks_session";

    fn pages(&self) -> SocketAddr {
        self.listeners.pages.address
    }

    fn database(&self) -> &TestDatabase {
        &self.database
    }

    fn broker(&self) -> &TestBroker {
        &self.broker
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

/// The service, finance-service unless said otherwise, and the session that requests come from.
pub(super) struct Desk<S = Finance> {
    pub(super) service: S,
    /// Who sits at it.
    pub(super) person: Uuid,
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
        Self::at(Finance::start().await?, roles).await
    }

    /// Finance parks an assignment that is too far ahead of its clock; answers message and parked id.
    pub(super) async fn park_early(&self) -> Result<(TaskAssigned, Uuid)> {
        let before = self.service.parked().await?.len();
        let mut early = assigned(id(), id(), 0);
        early.timestamp = self.service.clock.now() + TimeDelta::minutes(6);
        self.service.broker.publish(&early).await?;
        self.service.until_parked(before + 1).await?;
        let newest = "SELECT id FROM parked_message ORDER BY id DESC LIMIT 1";
        let parked = sqlx::query_scalar(newest)
            .fetch_one(&self.service.database.owned)
            .await?;
        Ok((early, parked))
    }

    /// The time comes for which early assignments were meant.
    pub(super) fn let_time_pass(&self) {
        self.service.clock.advance(TimeDelta::minutes(10));
    }

    /// Waits until the queue of tasks is empty and everything sent again has left the outbox.
    pub(super) async fn settled(&self) -> Result<()> {
        until("everything was sent", || async {
            Ok(self.service.database.count("outbox", "true").await? == 0
                && self.service.broker.depth(FINANCE_TASKS.name).await? == 0)
        })
        .await?;
        self.service.idle().await
    }
}

impl Desk<Board> {
    /// An administrator sits at that of tasks-service.
    pub(super) async fn open_at_tasks() -> Result<Self> {
        Self::at(Board::start().await?, &[Role::Administrator]).await
    }
}

impl<S: Operated> Desk<S> {
    async fn at(service: S, roles: &[Role]) -> Result<Self> {
        let person = id();
        let cookie = log_in(&service, person, roles).await?;
        let mut desk = Self {
            service,
            person,
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

    /// A request to one of the pages; `path` follows that of the overview.
    pub(super) fn ask(&self, method: Method, path: &str) -> Result<RequestBuilder> {
        let url = format!("http://{}{}{path}", self.service.pages(), S::BASE);
        let request = http::client()?.request(method, url);
        Ok(request.header("cookie", format!("{}={}", S::COOKIE, self.cookie)))
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

    /// Puts a message where the broker puts those of `queue` that it gave up on.
    pub(super) async fn give_up_on<M: Message + Sync>(
        &self,
        queue: ConsumerQueue,
        message_id: Uuid,
        message: &M,
    ) -> Result<()> {
        let mut headers = FieldTable::default();
        let key = AMQPValue::LongString(M::KEY.into());
        headers.insert("origin-routing-key".into(), key);
        let properties = properties(message_id).with_headers(headers);
        let (dead, body) = (dead_queue(queue.name), serde_json::to_vec(message)?);
        let broker = self.service.broker();
        broker
            .publish_to_queue_as(queue.consumer, &dead, properties, &body)
            .await
    }

    /// The parked message that satisfies `condition`, as soon as there is one.
    pub(super) async fn until_parked(&self, condition: &str) -> Result<Uuid> {
        let database = self.service.database();
        until("the message is parked", || async {
            Ok(database.count("parked_message", condition).await? == 1)
        })
        .await?;
        self.only_parked(condition).await
    }

    /// The parked message that satisfies `condition`.
    pub(super) async fn only_parked(&self, condition: &str) -> Result<Uuid> {
        let sql = format!("SELECT id FROM parked_message WHERE {condition}");
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&self.service.database().owned)
            .await?)
    }

    /// The page of the cause for which so many messages wait.
    pub(super) async fn cause_of(&self, messages: i64) -> Result<String> {
        let overview = self.read("").await?;
        let causes = overview["parked"].as_array().context("causes")?;
        let cause = causes
            .iter()
            .find(|cause| cause["messages"] == json!(messages))
            .context("the group")?;
        let cause_id = cause["cause_id"].as_str().context("its id")?;
        Ok(format!("/causes/{cause_id}"))
    }

    /// One field of a parked message.
    pub(super) async fn state(&self, parked: Uuid) -> Result<String> {
        let sql = "SELECT state FROM parked_message WHERE id = $1";
        Ok(sqlx::query_scalar(sql)
            .bind(parked)
            .fetch_one(&self.service.database().owned)
            .await?)
    }

    /// Demands that the log shows one command so far, of whoever sits here, with these `fields`.
    pub(super) async fn noted(&self, fields: Value) -> Result<()> {
        let log = self.read("/audit").await?;
        let commands = log["commands"].as_array().context("the log")?;
        ensure!(commands.len() == 1, "{commands:?}");
        let command = &commands[0];
        ensure!(command["actor"] == json!(self.person), "{command}");
        ensure!(command["actor_name"] == json!("Ann Archer"), "{command}");
        for (name, expected) in fields.as_object().context("fields")? {
            ensure!(command[name] == *expected, "{name} of {command}");
        }
        Ok(())
    }

    /// What the audit says, oldest first: action, reason, before and after.
    pub(super) async fn audit(&self) -> Result<Vec<(String, String, Value, Value)>> {
        let sql =
            "SELECT action, reason, before::text, after::text FROM operations_audit ORDER BY id";
        let rows: Vec<(String, String, String, String)> = sqlx::query_as(sql)
            .fetch_all(&self.service.database().owned)
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

/// Properties of a message that has an id and nothing else.
pub(super) fn properties(message_id: Uuid) -> BasicProperties {
    BasicProperties::default().with_message_id(message_id.to_string().into())
}

/// Writes a session as the login does, and answers its cookie; nobody asks the issuer while it is young.
async fn log_in(service: &impl Operated, user: Uuid, roles: &[Role]) -> Result<String> {
    let secret = [id().into_bytes(), id().into_bytes()].concat();
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
        .bind(service.now())
        .execute(&service.database().owned)
        .await?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(secret))
}
