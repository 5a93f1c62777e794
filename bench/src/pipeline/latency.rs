//! From a new task to its visible entry in the ledger, at a steady rate, with one and three replicas.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use uuid::Uuid;

use super::{Bench, Findings, create, say};
use crate::{
    http::Connection,
    pacing::{self, Due},
    report::Latency,
    services::{Kind, Process},
    session::{self, Session},
    stats,
};

/// The pause between two new tasks: 200 a second.
const PACE: Duration = Duration::from_millis(5);

/// Tasks that warm everything up, and tasks that count.
const WARM_UP: usize = 400;
const COUNTED: usize = 2_000;

/// How often the ledger is looked at; it bounds the error of every figure.
const LOOK: Duration = Duration::from_millis(2);

/// Connections of the load, shared out among the replicas.
const CONNECTIONS: usize = 24;

/// How long the last task may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A task and the moment its form was due to be sent.
type Sent = Due<Uuid>;

pub(super) async fn measure(bench: &Bench<'_>, findings: &mut Findings) -> Result<()> {
    let goals = [(1, 25.0, Some(100.0)), (3, 60.0, None)];
    for (replicas, goal_p50, goal_p99) in goals {
        let mut processes = Vec::new();
        for kind in [Kind::Tasks, Kind::Finance] {
            let database = match kind {
                Kind::Tasks => &bench.tasks,
                Kind::Finance => &bench.finance,
            };
            for replica in 0..replicas {
                processes.push((kind, bench.launcher.start(kind, replica, database).await?));
            }
        }
        let (_, board) = processes.first().context("no replica")?;
        let session = session::begin(&bench.sources, &bench.tasks, board).await?;
        sleep(super::SETTLING).await;
        let (mut p50, mut p99) = (Vec::new(), Vec::new());
        for round in 0..bench.rounds {
            let times = run(bench, &processes, &session).await?;
            let percentile =
                |percent| stats::percentile(&times, percent).context("no task was filed");
            let (middle, high) = (percentile(50)?, percentile(99)?);
            say(&format!(
                "latency {round}, {replicas} replicas: p50 {middle:.1} ms, p99 {high:.1} ms"
            ));
            p50.push(middle);
            p99.push(high);
        }
        findings.latencies.push(Latency {
            replicas,
            goal_p50,
            goal_p99,
            p50,
            p99,
        });
        for (_, process) in processes {
            process.stop().await?;
        }
    }
    Ok(())
}

/// The times of one round in milliseconds, in growing order.
async fn run(
    bench: &Bench<'_>,
    processes: &[(Kind, Process)],
    session: &Session,
) -> Result<Vec<f64>> {
    let boards = processes.iter().filter(|(kind, _)| *kind == Kind::Tasks);
    let boards: Vec<&str> = boards
        .map(|(_, process)| process.address.as_str())
        .collect();
    let (report, sent) = mpsc::unbounded_channel();
    let (queues, clients) = clients(&boards, session, report).await?;
    let tasks: Vec<Uuid> = (0..WARM_UP + COUNTED)
        .map(|_| bench.sources.new_id())
        .collect();
    let pacing = pacing::give_out(tasks, PACE, queues);
    let (paced, times) = tokio::join!(pacing, watch(bench, sent));
    paced?;
    drop(clients.join_all().await);
    Ok(stats::sorted(times?.into_iter().skip(WARM_UP)))
}

/// Connections that file the tasks they are given, turn by turn over the replicas.
async fn clients(
    boards: &[&str],
    session: &Session,
    report: mpsc::UnboundedSender<Sent>,
) -> Result<(Vec<mpsc::UnboundedSender<Sent>>, JoinSet<Result<()>>)> {
    let mut clients = JoinSet::new();
    let mut queues = Vec::new();
    for board in boards.iter().cycle().take(CONNECTIONS) {
        let (queue, mut orders) = mpsc::unbounded_channel();
        let mut connection = Connection::open(board).await?;
        let (session, report) = (session.clone(), report.clone());
        clients.spawn(async move {
            while let Some((task, due)) = orders.recv().await {
                report.send((task, due))?;
                create::file(&mut connection, &session, task).await?;
            }
            anyhow::Ok(())
        });
        queues.push(queue);
    }
    Ok((queues, clients))
}

/// Looks for the entries of the tasks that were sent; times in the order in which they were seen.
async fn watch(bench: &Bench<'_>, mut sent: mpsc::UnboundedReceiver<Sent>) -> Result<Vec<f64>> {
    let sql = "SELECT task_uuid FROM transfer WHERE kind = 'fee' AND task_uuid = ANY($1)";
    let mut ledger = PgConnection::connect(bench.finance.owner_url()).await?;
    // Planned while the ledger is empty, it would read all of it at every look, as long as nobody analyses it.
    ledger.execute("SET enable_seqscan = off").await?;
    let mut waiting: HashMap<Uuid, Instant> = HashMap::new();
    let mut times = Vec::new();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        ticks.tick().await;
        while let Ok((task, due)) = sent.try_recv() {
            waiting.insert(task, due);
            last = Instant::now();
        }
        if waiting.is_empty() && sent.is_closed() {
            return Ok(times);
        }
        let tasks: Vec<Uuid> = waiting.keys().copied().collect();
        let seen: Vec<Uuid> = sqlx::query_scalar(sql)
            .bind(tasks)
            .fetch_all(&mut ledger)
            .await?;
        let now = Instant::now();
        for task in seen {
            let due = waiting.remove(&task).context("an entry of another task")?;
            times.push((now - due).as_secs_f64() * 1e3);
        }
        ensure!(
            waiting.is_empty() || last.elapsed() < PATIENCE,
            "{} tasks are not in the ledger",
            waiting.len()
        );
    }
}
