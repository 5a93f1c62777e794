//! From a new task to the ledger: the relay, the ledger, the form of a new task, and the whole way.

mod consumer;
mod create;
mod latency;
mod relay;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use migrations::Database;
use platform::sources::Sources;

use crate::{
    databases::FreshDatabase,
    environment::Environment,
    messages::Maker,
    queue::Broker,
    report::{self, Comparison, Latency, Memory, Report, say},
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
        machine: report::machine(&environment, &bench.tasks.owned).await?,
        rounds: options.rounds,
        comparisons: findings.comparisons,
        latencies: findings.latencies,
        steady: Vec::new(),
        memory: findings.memory,
    };
    say(&report.write(&options.output, "pipeline")?);
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
