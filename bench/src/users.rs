//! A user by id, as services ask the auth bridge for one they do not know, at a steady rate.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    task::JoinSet,
    time::{Instant, sleep},
};
use uuid::Uuid;

use crate::{
    environment::Environment,
    http::Connection,
    pacing::{self, Due},
    report::{self, Findings, Memory, Percentiles, Report, Steady},
    run::Run,
    services::Launcher,
    usage,
};

/// The pause between two requests: 1,000 a second.
const PACE: Duration = Duration::from_millis(1);

/// Requests that warm everything up, and requests that count.
const WARM_UP: usize = 1_000;
const COUNTED: usize = 10_000;

/// Connections that the requests are shared out to.
const CONNECTIONS: usize = 16;

/// How long a bridge that has just started may take to know the users, and the pause between two looks.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(200);

/// What a user is answered with.
const OK: u16 = 200;

/// The service that is measured.
const BRIDGE: &str = "auth-bridge";

/// Measures, writes the results, and prints the tables.
pub(crate) async fn run(options: Run) -> Result<()> {
    fs::create_dir_all(&options.output)?;
    let environment = Environment::read(&options.environment)?;
    let database = environment.database("auth", "auth")?;
    let pool = PgPoolOptions::new().connect(database.as_str()).await?;
    let users = known(&pool).await?;
    let bridge = environment.pid(BRIDGE)?;
    let idle = usage::memory(bridge)?.now;
    let launcher = Launcher::try_new(&environment, &options.output)?;
    let directory = launcher
        .start_bare("bare-directory", database.as_str())
        .await?;
    let address = environment.bridge_address()?;
    let (mut bare, mut real) = (Vec::new(), Vec::new());
    for round in 0..=options.rounds {
        let token = environment.machine_token("users:read").await?;
        let bare_times = load(&directory.address, &users, &token).await?;
        let real_times = load(&address, &users, &token).await?;
        report::say(&format!(
            "users {round}: bare p99 {:.1} ms, bridge p99 {:.1} ms",
            bare_times.p99, real_times.p99
        ));
        // The first round warms everything up.
        if round > 0 {
            bare.push(bare_times);
            real.push(real_times);
        }
    }
    directory.stop().await?;
    let findings = Findings {
        steady: vec![Steady {
            figure: "GET /users/{uuid} at 1,000/s",
            goal_p50: None,
            goal_p99: Some(10.0),
            bare,
            real,
        }],
        memory: vec![Memory {
            service: BRIDGE,
            idle,
            under_load: usage::memory(bridge)?.peak,
        }],
        ..Findings::default()
    };
    let report = Report::new(&environment, &pool, options.rounds, findings).await?;
    report::say(&report.write(&options.output, "users")?);
    Ok(())
}

/// Whom the bridge knows, once it has read the users of a new realm.
async fn known(pool: &PgPool) -> Result<Vec<Uuid>> {
    let asked = Instant::now();
    loop {
        let living = "SELECT user_id FROM auth_user WHERE NOT is_deleted";
        let users: Vec<Uuid> = sqlx::query_scalar(living).fetch_all(pool).await?;
        if !users.is_empty() {
            return Ok(users);
        }
        ensure!(asked.elapsed() < PATIENCE, "the bridge knows nobody");
        sleep(LOOK).await;
    }
}

/// The times of one round, from the moment at which each request was due.
async fn load(address: &str, users: &[Uuid], token: &str) -> Result<Percentiles> {
    let mut clients = JoinSet::new();
    let mut queues = Vec::new();
    for _ in 0..CONNECTIONS {
        let (queue, orders) = mpsc::unbounded_channel();
        let connection = Connection::open(address).await?;
        clients.spawn(ask(connection, token.to_owned(), orders));
        queues.push(queue);
    }
    let orders: Vec<Uuid> = users
        .iter()
        .copied()
        .cycle()
        .take(WARM_UP + COUNTED)
        .collect();
    pacing::give_out(orders, PACE, queues).await?;
    let mut times = Vec::new();
    while let Some(client) = clients.join_next().await {
        // Each connection had the same share of the requests that warm up.
        times.extend(client??.into_iter().skip(WARM_UP / CONNECTIONS));
    }
    Percentiles::of(times)
}

/// Asks for one user after the other; times in milliseconds.
async fn ask(
    mut connection: Connection,
    token: String,
    mut orders: UnboundedReceiver<Due<Uuid>>,
) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    while let Some((user, due)) = orders.recv().await {
        let status = connection.get(&format!("/users/{user}"), &token).await?;
        ensure!(status == OK, "{user} is answered with {status}");
        times.push((Instant::now() - due).as_secs_f64() * 1e3);
    }
    Ok(times)
}
