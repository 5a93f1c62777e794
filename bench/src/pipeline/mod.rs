//! From a new task to the ledger: the relay, the ledger, the form of a new task, and the whole way.

mod consumer;
mod create;
mod latency;
mod relay;

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use migrations::Database;
use platform::sources::Sources;

use crate::{
    databases::FreshDatabase,
    environment::Environment,
    messages::Maker,
    queue::{self, Broker},
    report::{Comparison, Latency, Memory, Report},
    services::Launcher,
    session,
    usage::Meter,
};

/// How long a service that has just started is left alone.
const SETTLING: Duration = Duration::from_secs(5);

/// What and how often.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What `cargo xtask bench` wrote about the running servers.
    #[arg(long)]
    environment: PathBuf,
    /// The folder for results and logs.
    #[arg(long)]
    output: PathBuf,
    /// How often bare and real are measured in turn.
    #[arg(long, default_value_t = 5)]
    rounds: u16,
    /// Only these figures.
    #[arg(long, value_enum)]
    only: Vec<Figure>,
}

/// One thing that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Figure {
    /// Outbox to broker.
    Relay,
    /// Queue to ledger.
    Consumer,
    /// A new task over HTTP.
    Create,
    /// From a new task to its entry in the ledger.
    Latency,
}

/// What every measurement needs.
struct Bench<'a> {
    environment: &'a Environment,
    launcher: Launcher<'a>,
    meter: Meter,
    broker: Broker,
    maker: Maker,
    sources: Sources,
    tasks: FreshDatabase,
    finance: FreshDatabase,
    rounds: u16,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings {
    comparisons: Vec<Comparison>,
    latencies: Vec<Latency>,
    memory: Vec<Memory>,
}

/// Measures, writes the results, and prints the tables.
pub(crate) async fn run(options: Options) -> Result<()> {
    fs::create_dir_all(&options.output)?;
    let environment = Environment::read(&options.environment)?;
    let sources = Sources::system();
    let bench = Bench {
        environment: &environment,
        launcher: Launcher::try_new(&environment, &options.output)?,
        meter: Meter::new(&environment)?,
        broker: Broker::connect(&environment).await?,
        maker: Maker::new(sources.clone()),
        tasks: FreshDatabase::create(&environment, Database::Tasks, "tasks").await?,
        finance: FreshDatabase::create(&environment, Database::Finance, "finance").await?,
        sources,
        rounds: options.rounds,
    };
    bench.broker.purge().await?;
    session::hire(&bench.tasks).await?;
    let wants = |figure| options.only.is_empty() || options.only.contains(&figure);
    let mut findings = Findings::default();
    if wants(Figure::Relay) {
        relay::measure(&bench, &mut findings)
            .await
            .context("relay")?;
    }
    if wants(Figure::Consumer) {
        consumer::measure(&bench, &mut findings)
            .await
            .context("consumer")?;
    }
    if wants(Figure::Create) {
        create::measure(&bench, &mut findings)
            .await
            .context("create")?;
    }
    if wants(Figure::Latency) {
        latency::measure(&bench, &mut findings)
            .await
            .context("latency")?;
    }
    let report = Report {
        date: bench.sources.now().date_naive().to_string(),
        machine: machine(&bench).await?,
        rounds: options.rounds,
        comparisons: findings.comparisons,
        latencies: findings.latencies,
        memory: findings.memory,
    };
    say(&report.write(&options.output)?);
    Ok(())
}

impl Findings {
    /// Keeps the largest numbers of all measurements of a service.
    fn remember_memory(&mut self, service: &'static str, idle: f64, under_load: f64) {
        let known = self
            .memory
            .iter_mut()
            .find(|known| known.service == service);
        if let Some(known) = known {
            known.idle = known.idle.max(idle);
            known.under_load = known.under_load.max(under_load);
        } else {
            self.memory.push(Memory {
                service,
                idle,
                under_load,
            });
        }
    }
}

impl Bench<'_> {
    /// Makes sure that what was sent has arrived, all of it and nothing twice.
    async fn expect_waiting(&self, messages: u32) -> Result<()> {
        let waiting = self.broker.waiting().await?;
        ensure!(
            waiting == messages,
            "{waiting} messages wait for Finance instead of {messages}"
        );
        Ok(())
    }
}

/// Processor, cores and servers.
async fn machine(bench: &Bench<'_>) -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let cores = std::thread::available_parallelism()?;
    let postgres: String = sqlx::query_scalar("SHOW server_version")
        .fetch_one(&bench.tasks.owned)
        .await?;
    let postgres = postgres.split(' ').next().unwrap_or_default();
    let rabbitmq = queue::version(bench.environment).await?;
    Ok(format!(
        "{cores} cores of {model}, PostgreSQL {postgres}, RabbitMQ {rabbitmq}"
    ))
}

/// A line for whoever watches.
fn say(text: &str) {
    // Nobody may be listening any more, which is no reason to stop half-way.
    writeln!(io::stdout().lock(), "{text}").ok();
}
