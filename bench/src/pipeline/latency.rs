//! From a new task to its visible entry in the ledger, at a steady rate, with one and three replicas,
//! beside the shortest way that is as durable.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use migrations::Database;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use uuid::Uuid;

use super::{Bench, Findings, create, say};
use crate::{
    bare::{ledger, publisher::BarePublisher},
    databases::FreshDatabase,
    http::Connection,
    messages::Maker,
    pacing::{self, Due},
    report::{Percentiles, Steady},
    services::{Kind, Process},
    session::{self, Session},
};

/// The pause between two new tasks: 200 a second.
const PACE: Duration = Duration::from_millis(5);

/// Tasks that warm everything up, and tasks that count.
const WARM_UP: u32 = 1_000;
const COUNTED: u32 = 2_000;

/// How often the ledger is looked at; it bounds the error of every figure.
const LOOK: Duration = Duration::from_millis(2);

/// Connections of the load, shared out among the replicas.
const CONNECTIONS: usize = 24;

/// How long the last task may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is measured, with how many replicas of each service, and the goals for p50 and p99 in milliseconds.
const FIGURES: [(&str, u16, f64, Option<f64>); 2] = [
    (
        "create → ledger at 200/s, one replica",
        1,
        25.0,
        Some(100.0),
    ),
    ("create → ledger at 200/s, three replicas", 3, 60.0, None),
];

/// A task and the moment its form was due to be sent.
type Sent = Due<Uuid>;

pub(super) async fn measure(bench: &Bench<'_>, findings: &mut Findings) -> Result<()> {
    let bare = BareWay::open(bench).await?;
    for (figure, replicas, goal_p50, goal_p99) in FIGURES {
        let (mut bare_rounds, mut real_rounds) = (Vec::new(), Vec::new());
        for round in 0..=bench.rounds {
            let bare_times = bare.measure(bench).await?;
            let real_times = real_way(bench, replicas).await?;
            say(&format!(
                "latency {round}, {replicas} replicas: bare p50 {:.1} ms, p99 {:.1} ms; p50 {:.1} ms, p99 {:.1} ms",
                bare_times.p50, bare_times.p99, real_times.p50, real_times.p99
            ));
            // The first round warms everything up.
            if round > 0 {
                bare_rounds.push(bare_times);
                real_rounds.push(real_times);
            }
        }
        findings.steady.push(Steady {
            figure,
            goal_p50: Some(goal_p50),
            goal_p99,
            bare: bare_rounds,
            real: real_rounds,
        });
    }
    bare.board.stop().await
}

/// The shortest way that is as durable: the bare handler answers, one confirmed publisher tells of it,
/// and the bare loop books it.
struct BareWay {
    board: Process,
    books: FreshDatabase,
    publisher: Arc<BarePublisher>,
}

impl BareWay {
    async fn open(bench: &Bench<'_>) -> Result<Self> {
        let create =
            async |database, name| FreshDatabase::create(bench.environment, database, name).await;
        let tasks = create(Database::Tasks, "bare_tasks").await?;
        let url = tasks.owner_url();
        Ok(Self {
            board: bench.launcher.start_bare("bare-board", url).await?,
            books: create(Database::Finance, "bare_finance").await?,
            publisher: Arc::new(BarePublisher::open(&bench.broker).await?),
        })
    }

    async fn measure(&self, bench: &Bench<'_>) -> Result<Percentiles> {
        // What the services of the round before left.
        bench.broker.purge().await?;
        let load = Load {
            boards: vec![self.board.address.as_str()],
            session: Session::default(),
            publisher: Some(Arc::clone(&self.publisher)),
        };
        let booking = ledger::follow(&bench.broker, &self.books, WARM_UP + COUNTED);
        let (times, ()) = tokio::try_join!(load.run(bench, &self.books), booking)?;
        Ok(times)
    }
}

/// The services, started for this round.
async fn real_way(bench: &Bench<'_>, replicas: u16) -> Result<Percentiles> {
    let (mut boards, mut books) = (Vec::new(), Vec::new());
    for replica in 0..replicas {
        let start = |kind, database| bench.launcher.start(kind, replica, database);
        boards.push(start(Kind::Tasks, &bench.tasks).await?);
        books.push(start(Kind::Finance, &bench.finance).await?);
    }
    let board = boards.first().context("no replica")?;
    let load = Load {
        session: session::begin(&bench.sources, &bench.tasks, board).await?,
        boards: boards.iter().map(|board| board.address.as_str()).collect(),
        publisher: None,
    };
    sleep(super::SETTLING).await;
    let times = load.run(bench, &bench.finance).await?;
    for process in boards.into_iter().chain(books) {
        process.stop().await?;
    }
    Ok(times)
}

/// Who is sent new tasks, turn by turn.
struct Load<'a> {
    boards: Vec<&'a str>,
    session: Session,
    /// Tells of each task once its form is answered, where no service does.
    publisher: Option<Arc<BarePublisher>>,
}

impl Load<'_> {
    /// The times of one round until entries are visible in `books`.
    async fn run(&self, bench: &Bench<'_>, books: &FreshDatabase) -> Result<Percentiles> {
        let (report, sent) = mpsc::unbounded_channel();
        let (queues, clients) = self.clients(&bench.maker, report).await?;
        let tasks: Vec<Uuid> = (0..WARM_UP + COUNTED)
            .map(|_| bench.sources.new_id())
            .collect();
        let pacing = pacing::give_out(tasks, PACE, queues);
        let (paced, times) = tokio::join!(pacing, watch(books, sent));
        paced?;
        for client in clients.join_all().await {
            client?;
        }
        Percentiles::of(times?.into_iter().skip(usize::try_from(WARM_UP)?))
    }

    /// Connections that file the tasks they are given.
    async fn clients(
        &self,
        maker: &Maker,
        report: mpsc::UnboundedSender<Sent>,
    ) -> Result<(Vec<mpsc::UnboundedSender<Sent>>, JoinSet<Result<()>>)> {
        let mut clients = JoinSet::new();
        let mut queues = Vec::new();
        for board in self.boards.iter().cycle().take(CONNECTIONS) {
            let (queue, orders) = mpsc::unbounded_channel();
            let client = Client {
                connection: Connection::open(board).await?,
                session: self.session.clone(),
                publisher: self.publisher.clone(),
                maker: maker.clone(),
            };
            clients.spawn(client.work(orders, report.clone()));
            queues.push(queue);
        }
        Ok((queues, clients))
    }
}

/// One connection of the load.
struct Client {
    connection: Connection,
    session: Session,
    publisher: Option<Arc<BarePublisher>>,
    maker: Maker,
}

impl Client {
    async fn work(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Sent>,
        report: mpsc::UnboundedSender<Sent>,
    ) -> Result<()> {
        while let Some((task, due)) = orders.recv().await {
            report.send((task, due))?;
            create::file(&mut self.connection, &self.session, task).await?;
            if let Some(publisher) = &self.publisher {
                let assigned = self.maker.assigned((task, self.maker.performer()));
                publisher.publish(self.maker.prepare(&[assigned])?).await?;
            }
        }
        Ok(())
    }
}

/// Looks for the entries of the tasks that were sent; times in the order in which they were seen.
async fn watch(books: &FreshDatabase, mut sent: mpsc::UnboundedReceiver<Sent>) -> Result<Vec<f64>> {
    let sql = "SELECT task_uuid FROM transfer WHERE kind = 'fee' AND task_uuid = ANY($1)";
    let mut ledger = PgConnection::connect(books.owner_url()).await?;
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
