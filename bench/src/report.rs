//! What a run found, as one JSON file and as Markdown tables.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    thread,
};

use anyhow::{Context as _, Result};
use platform::sources::Sources;
use serde::Serialize;
use sqlx::PgPool;

use crate::{
    environment::Environment,
    queue,
    stats::{self, Spread},
    usage::{Cost, Sample},
};

/// Everything of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    date: String,
    machine: String,
    rounds: u16,
    #[serde(flatten)]
    findings: Findings,
}

/// What was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Findings {
    pub(crate) comparisons: Vec<Comparison>,
    pub(crate) steady: Vec<Steady>,
    pub(crate) memory: Vec<Memory>,
}

/// A rate beside the bare limit that was measured in turn with it.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) figure: &'static str,
    pub(crate) event: &'static str,
    /// The least share of the bare rate, in percent.
    pub(crate) goal_percent: f64,
    /// The least rate, where there is one.
    pub(crate) goal_per_second: Option<f64>,
    pub(crate) bare: Vec<Sample>,
    pub(crate) real: Vec<Sample>,
}

/// Work at a steady rate, beside a bare way that was measured in turn.
#[derive(Debug, Serialize)]
pub(crate) struct Steady {
    pub(crate) figure: &'static str,
    pub(crate) goal_p50: Option<f64>,
    pub(crate) goal_p99: Option<f64>,
    pub(crate) bare: Vec<Percentiles>,
    pub(crate) real: Vec<Percentiles>,
}

/// Times of one round, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Memory of a service, in MB.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) service: &'static str,
    pub(crate) idle: f64,
    pub(crate) under_load: f64,
}

/// The most memory of an idle service and of one under load, in MB (DESIGN.md section 11).
const MEMORY_GOAL: (f64, f64) = (40.0, 150.0);

impl Comparison {
    /// The shares of the bare rate in percent, round by round.
    fn shares(&self) -> Option<Spread> {
        let rounds = self.bare.iter().zip(&self.real);
        Spread::of(rounds.map(|(bare, real)| 100.0 * real.per_second / bare.per_second))
    }

    fn row(&self) -> Option<[String; 5]> {
        let rate = |samples: &[Sample]| Spread::of(samples.iter().map(|sample| sample.per_second));
        let (bare, real, share) = (rate(&self.bare)?, rate(&self.real)?, self.shares()?);
        let mut goal = judged(
            share.median >= self.goal_percent,
            &format!("≥ {:.0} %", self.goal_percent),
        );
        if let Some(least) = self.goal_per_second {
            let rate = judged(real.median >= least, &format!("≥ {least:.0}/s"));
            goal = format!("{goal}; {rate}");
        }
        Some([
            format!("{}, {}/s", self.figure, self.event),
            whole(bare),
            whole(real),
            format!("{} %", whole(share)),
            goal,
        ])
    }

    fn cost_rows(&self) -> Vec<[String; 4]> {
        let bare = format!("{}, bare", self.figure);
        let rows = [
            Self::cost_row(&bare, &self.bare),
            Self::cost_row(self.figure, &self.real),
        ];
        rows.into_iter().flatten().collect()
    }

    fn cost_row(name: &str, samples: &[Sample]) -> Option<[String; 4]> {
        let median = |of: fn(&Cost) -> f64| {
            let spread = Spread::of(samples.iter().map(|sample| of(&sample.cost)))?;
            Some(format!("{:.0}", spread.median))
        };
        Some([
            name.to_owned(),
            median(|cost| cost.program)?,
            median(|cost| cost.postgres)?,
            median(|cost| cost.broker)?,
        ])
    }
}

impl Percentiles {
    /// Those of times in milliseconds.
    pub(crate) fn of(times: impl IntoIterator<Item = f64>) -> Result<Self> {
        let times = stats::sorted(times);
        let percentile = |percent| stats::percentile(&times, percent).context("nothing was timed");
        Ok(Self {
            p50: percentile(50)?,
            p99: percentile(99)?,
        })
    }
}

impl Steady {
    fn row(&self) -> Option<[String; 6]> {
        let of = |rounds: &[Percentiles], which: fn(&Percentiles) -> f64| {
            Spread::of(rounds.iter().map(which))
        };
        let (p50, p99) = (
            of(&self.real, |times| times.p50)?,
            of(&self.real, |times| times.p99)?,
        );
        let judge = |name: &str, reached: Spread, goal: Option<f64>| {
            goal.map(|most| judged(reached.median < most, &format!("{name} < {most:.0}")))
        };
        let goals = [
            judge("p50", p50, self.goal_p50),
            judge("p99", p99, self.goal_p99),
        ];
        Some([
            self.figure.to_owned(),
            tenths(of(&self.bare, |times| times.p50)?),
            tenths(p50),
            tenths(of(&self.bare, |times| times.p99)?),
            tenths(p99),
            goals.into_iter().flatten().collect::<Vec<_>>().join("; "),
        ])
    }
}

impl Memory {
    fn row(&self) -> [String; 4] {
        let (idle, load) = MEMORY_GOAL;
        [
            self.service.to_owned(),
            format!("{:.0}", self.idle),
            format!("{:.0}", self.under_load),
            format!(
                "{}; {}",
                judged(self.idle < idle, &format!("idle < {idle:.0}")),
                judged(self.under_load < load, &format!("load < {load:.0}"))
            ),
        ]
    }
}

impl Findings {
    /// Keeps the largest numbers of all measurements of a service.
    pub(crate) fn remember_memory(&mut self, service: &'static str, idle: f64, under_load: f64) {
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

impl Report {
    /// The report of a run that ends now.
    pub(crate) async fn new(
        environment: &Environment,
        database: &PgPool,
        rounds: u16,
        findings: Findings,
    ) -> Result<Self> {
        Ok(Self {
            date: Sources::system().now().date_naive().to_string(),
            machine: machine(environment, database).await?,
            rounds,
            findings,
        })
    }

    /// Writes `NAME.json` and `NAME.md` to `folder` and returns the Markdown.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> Result<String> {
        let markdown = self.markdown();
        fs::write(
            folder.join(format!("{name}.json")),
            serde_json::to_string_pretty(self)?,
        )?;
        fs::write(folder.join(format!("{name}.md")), &markdown)?;
        Ok(markdown)
    }

    fn markdown(&self) -> String {
        let found = &self.findings;
        let comparisons: Vec<_> = found
            .comparisons
            .iter()
            .filter_map(Comparison::row)
            .collect();
        let costs: Vec<_> = found
            .comparisons
            .iter()
            .flat_map(Comparison::cost_rows)
            .collect();
        let steady: Vec<_> = found.steady.iter().filter_map(Steady::row).collect();
        let memory: Vec<_> = found.memory.iter().map(Memory::row).collect();
        let mut text = format!(
            "{}, {}; {} rounds: median (lowest–highest).\n",
            self.date, self.machine, self.rounds
        );
        table(
            &mut text,
            ["figure", "bare limit", "measured", "share", "goal"],
            &comparisons,
        );
        table(
            &mut text,
            ["CPU µs per event", "process", "PostgreSQL", "RabbitMQ"],
            &costs,
        );
        table(
            &mut text,
            [
                "ms from the moment it was due",
                "bare p50",
                "p50",
                "bare p99",
                "p99",
                "goal",
            ],
            &steady,
        );
        table(
            &mut text,
            ["memory, MB", "idle", "under load", "goal"],
            &memory,
        );
        text
    }
}

/// Nothing at all without rows.
fn table<const N: usize>(text: &mut String, head: [&str; N], rows: &[[String; N]]) {
    if rows.is_empty() {
        return;
    }
    let line = |cells: [&str; N]| format!("| {} |\n", cells.join(" | "));
    text.push('\n');
    text.push_str(&line(head));
    text.push_str(&line(["---"; N]));
    let rows = rows
        .iter()
        .map(|row| line(row.each_ref().map(String::as_str)));
    text.extend(rows);
}

fn judged(met: bool, goal: &str) -> String {
    format!("{goal} {}", if met { "met" } else { "missed" })
}

fn whole(spread: Spread) -> String {
    let Spread {
        median,
        lowest,
        highest,
    } = spread;
    format!("{median:.0} ({lowest:.0}–{highest:.0})")
}

fn tenths(spread: Spread) -> String {
    let Spread {
        median,
        lowest,
        highest,
    } = spread;
    format!("{median:.1} ({lowest:.1}–{highest:.1})")
}

/// Processor, cores and servers.
async fn machine(environment: &Environment, database: &PgPool) -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let cores = thread::available_parallelism()?;
    let postgres: String = sqlx::query_scalar("SHOW server_version")
        .fetch_one(database)
        .await?;
    let postgres = postgres.split(' ').next().unwrap_or_default();
    let rabbitmq = queue::version(environment).await?;
    Ok(format!(
        "{cores} cores of {model}, PostgreSQL {postgres}, RabbitMQ {rabbitmq}"
    ))
}

/// A line for whoever watches.
pub(crate) fn say(text: &str) {
    // Nobody may be listening any more, which is no reason to stop half-way.
    writeln!(io::stdout().lock(), "{text}").ok();
}
