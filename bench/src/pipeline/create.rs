//! A new task over HTTP: the real form of the real service, beside a bare handler.

use std::time::Duration;

use anyhow::{Result, ensure};
use migrations::Database;
use platform::relay::LEAD_LOCK;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use url::form_urlencoded;
use uuid::Uuid;

use super::{Bench, Findings, say};
use crate::{
    databases::FreshDatabase,
    http::Connection,
    report::Comparison,
    services::{Kind, Process},
    session::{self, Session},
    usage::{self, Sample},
};

/// Requests under way at once.
const CONNECTIONS: usize = 32;

/// How long one side is measured in one round.
const SPAN: Duration = Duration::from_secs(4);

/// What a form is answered with when the task is filed.
const SEE_OTHER: u16 = 303;

pub(super) async fn measure(bench: &Bench<'_>, findings: &mut Findings) -> Result<()> {
    let bare_tasks =
        FreshDatabase::create(bench.environment, Database::Tasks, "bare_tasks").await?;
    // Accepting a task is measured, not sending the messages: another process holds the lead.
    let mut lead = PgConnection::connect(bench.tasks.owner_url()).await?;
    lead.execute(sqlx::query("SELECT pg_advisory_lock($1)").bind(LEAD_LOCK))
        .await?;
    let board = bench.launcher.start(Kind::Tasks, 0, &bench.tasks).await?;
    let bare_board = bench
        .launcher
        .start_bare("bare-board", bare_tasks.owner_url())
        .await?;
    let session = session::begin(&bench.sources, &bench.tasks, &board).await?;
    sleep(super::SETTLING).await;
    let idle = usage::memory(board.pid)?.now;
    let (mut bare, mut real) = (Vec::new(), Vec::new());
    for round in 0..=bench.rounds {
        let bare_sample = load(bench, &bare_board, &session).await?;
        let real_sample = load(bench, &board, &session).await?;
        say(&format!(
            "create {round}: bare {:.0}/s, task board {:.0}/s",
            bare_sample.per_second, real_sample.per_second
        ));
        // The first round warms everything up.
        if round > 0 {
            bare.push(bare_sample);
            real.push(real_sample);
        }
    }
    let peak = usage::memory(board.pid)?.peak;
    findings.remember_memory(Kind::Tasks.name(), idle, peak);
    findings.comparisons.push(Comparison {
        figure: "create task, request to answer",
        event: "requests",
        goal_percent: 70.0,
        goal_per_second: None,
        bare,
        real,
    });
    for process in [board, bare_board] {
        process.stop().await?;
    }
    bench.tasks.owned.execute("TRUNCATE outbox").await?;
    Ok(lead.close().await?)
}

/// As many requests as the connections get through.
async fn load(bench: &Bench<'_>, target: &Process, session: &Session) -> Result<Sample> {
    let begin = bench.meter.read(&[target.pid])?;
    let until = Instant::now() + SPAN;
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(&target.address).await?;
        let (session, sources) = (session.clone(), bench.sources.clone());
        clients.spawn(async move {
            let mut answered = 0;
            while Instant::now() < until {
                file(&mut connection, &session, sources.new_id()).await?;
                answered += 1;
            }
            anyhow::Ok(answered)
        });
    }
    let mut answered: u32 = 0;
    while let Some(client) = clients.join_next().await {
        answered += client??;
    }
    Ok(begin.until(&bench.meter.read(&[target.pid])?, answered))
}

/// Files one task as the form of the page does.
pub(super) async fn file(connection: &mut Connection, session: &Session, task: Uuid) -> Result<()> {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair(platform::ui::CSRF_FIELD, &session.csrf)
        .append_pair("task", &task.to_string())
        .append_pair("title", "Renew the certificate of the gateway")
        .append_pair("reference", "OPS-1234")
        .append_pair("pick", "random")
        .append_pair(
            "description",
            "It expires on **Friday**. The steps are in the handbook:\n\n1. order\n2. install\n3. check \
             that the old one is gone",
        )
        .finish();
    let status = connection.post("/tasks", &session.cookie, &form).await?;
    ensure!(status == SEE_OTHER, "the form was answered with {status}");
    Ok(())
}
