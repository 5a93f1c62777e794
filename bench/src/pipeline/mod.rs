//! From a new task to the ledger: the relay, the ledger, the form of a new task, and the whole way.

mod consumer;
mod create;
mod latency;
mod relay;

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use migrations::Database;
use platform::sources::Sources;

use crate::{
    databases::FreshDatabase,
    environment::Environment,
    messages::Maker,
    queue::Broker,
    report::{Findings, Report, say},
    run::Run,
    services::Launcher,
    session,
    usage::Meter,
};

/// How long a service that has just started is left alone.
const SETTLING: Duration = Duration::from_secs(5);

/// What and how often.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    run: Run,
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

/// Measures, writes the results, and prints the tables.
pub(crate) async fn run(Options { run, only }: Options) -> Result<()> {
    fs::create_dir_all(&run.output)?;
    let environment = Environment::read(&run.environment)?;
    let sources = Sources::system();
    let bench = Bench {
        environment: &environment,
        launcher: Launcher::try_new(&environment, &run.output)?,
        meter: Meter::new(&environment)?,
        broker: Broker::connect(&environment).await?,
        maker: Maker::new(sources.clone()),
        tasks: FreshDatabase::create(&environment, Database::Tasks, "tasks").await?,
        finance: FreshDatabase::create(&environment, Database::Finance, "finance").await?,
        sources,
        rounds: run.rounds,
    };
    bench.broker.purge().await?;
    session::hire(&bench.tasks).await?;
    let wants = |figure| only.is_empty() || only.contains(&figure);
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
    let report = Report::new(&environment, &bench.tasks.owned, run.rounds, findings).await?;
    say(&report.write(&run.output, "pipeline")?);
    Ok(())
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
