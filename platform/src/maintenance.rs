//! What is done by hand with the messages of other services: replaying them, and proving that all arrived.

use std::{future::Future, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use contracts::topology::ConsumerQueue;

use crate::{
    cli::{self, Program},
    conciliation::{self, Compared, ConciliationError, Line, SentLog},
    consumer::{BatchHandler, ConsumerContext, Intake},
    mass_deletion::Guard,
    reconciliation::{Cache, ReconcileError, reconcile},
    replay::{self, ReplayError, ReplayOptions, Source},
};

/// The most ids that are printed for one line.
const IDS_SHOWN: usize = 20;

/// The columns of a comparison, as wide as what stands below them.
const HEADINGS: [&str; 9] = [
    "hour             ",
    "key                     ",
    "    sent",
    " waiting",
    " applied",
    " ignored",
    "  parked",
    " missing",
    " surplus",
];

/// The commands of a service that reads messages.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Maintenance {
    /// Feed messages of the archives through the inbox again, or compare caches with their sources.
    Replay(ReplayOptions),
    /// Compare what the senders sent with what became of it here, by hour and key; fails when
    /// something is missing.
    Conciliate(ConciliateOptions),
}

/// What to compare.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct ConciliateOptions {
    /// How many days back; messages older than two weeks are forgotten on both sides.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=13))]
    pub days: u16,
    /// Also compare the hours that have not settled yet: what is still on its way counts as missing.
    #[arg(long)]
    pub unsettled: bool,
    /// Apply what is missing from the archive, and compare again.
    #[arg(long)]
    pub heal: bool,
}

/// What the command line of a service that reads messages asks for.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// A TOML file that overrides the built-in defaults; the environment overrides both.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Service(cli::Command),
    #[command(flatten)]
    Maintenance(Maintenance),
}

/// A service that reads messages, as its command line sees it.
pub trait Reader: Program {
    /// Does one command and tells how it went; the service may run meanwhile.
    fn maintain(
        config: Self::Config,
        command: Maintenance,
    ) -> impl Future<Output = anyhow::Result<ExitCode>> + Send;
}

/// Runs the command that the process was started with.
///
/// # Errors
/// When the settings cannot be used, or the command fails.
pub async fn run<R: Reader>() -> anyhow::Result<ExitCode> {
    let Arguments { config, command } = Arguments::parse();
    match command {
        Command::Service(command) => cli::execute::<R>(command, config.as_deref()).await,
        Command::Maintenance(command) => {
            R::maintain(cli::prepare::<R>(config.as_deref())?, command).await
        }
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// Of a replay.
    #[error("the replay was interrupted; the same command goes on with it")]
    Replay(#[from] ReplayError),
    /// Of a comparison with what was sent.
    #[error("the comparison was interrupted")]
    Conciliation(#[from] ConciliationError),
    /// Of a comparison of a cache with its owner.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
}

/// Does one command for one queue, or one cache, after the other.
#[derive(Debug)]
pub struct Desk {
    context: ConsumerContext,
    command: Maintenance,
    missing: usize,
}

impl Desk {
    /// A desk for `command`.
    #[must_use]
    pub fn new(context: ConsumerContext, command: Maintenance) -> Self {
        Self {
            context,
            command,
            missing: 0,
        }
    }

    /// Compares a cache with its owner, if the command asks for that, and tells how it went.
    ///
    /// # Errors
    /// [`MaintenanceError`].
    pub async fn compare<C: Cache>(&self, cache: C, guard: Guard) -> Result<(), MaintenanceError> {
        let Maintenance::Replay(options) = &self.command else {
            return Ok(());
        };
        if options.source == Source::Rest {
            let ConsumerContext { db, sources, .. } = &self.context;
            let found = reconcile(db, sources, &cache, guard, options.accept_deletions).await?;
            say(&format!("{}: {found}", C::KIND));
        }
        Ok(())
    }

    /// Does the command for the queue of `handler`, whose sender answers by `log`, and tells how it went.
    /// There is nothing to do when caches are compared instead.
    ///
    /// # Errors
    /// [`MaintenanceError`].
    pub async fn work<H: BatchHandler, L: SentLog>(
        &mut self,
        handler: H,
        log: &L,
    ) -> Result<(), MaintenanceError> {
        let queue = handler.queue().name;
        match self.command.clone() {
            Maintenance::Replay(options) if options.source == Source::Rest => {}
            Maintenance::Replay(options) => {
                let done = replay::replay(&self.context, handler, &options).await?;
                let (read, fed) = (done.read, done.fed);
                say(&format!(
                    "{queue}: {read} messages read, {fed} fed through the inbox"
                ));
            }
            Maintenance::Conciliate(options) => self.conciliate(handler, log, &options).await?,
        }
        Ok(())
    }

    /// Fails when messages are still missing.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.missing == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    async fn conciliate<H: BatchHandler, L: SentLog>(
        &mut self,
        handler: H,
        log: &L,
        options: &ConciliateOptions,
    ) -> Result<(), ConciliationError> {
        let queue = handler.queue();
        let mut found = self.examine(queue, log, options).await?;
        say(&table(queue.name, &found));
        if options.heal && found.iter().any(|compared| !compared.missing.is_empty()) {
            let mut intake = Intake::new(self.context.clone(), handler);
            let link = self.context.broker.consuming();
            let healed = conciliation::heal(link, &mut intake, &found).await?;
            let (fed, lost) = (healed.fed, healed.lost.len());
            say(&format!(
                "{fed} of them fed from the archive, {lost} not found there"
            ));
            found = self.examine(queue, log, options).await?;
            say(&table(queue.name, &found));
        }
        let missing = found.iter().map(|compared| compared.missing.len());
        self.missing += missing.sum::<usize>();
        Ok(())
    }

    async fn examine<L: SentLog>(
        &self,
        queue: ConsumerQueue,
        log: &L,
        options: &ConciliateOptions,
    ) -> Result<Vec<Compared>, ConciliationError> {
        let now = self.context.sources.now();
        let span = if options.unsettled {
            conciliation::recent(now, options.days)
        } else {
            conciliation::settled(now, options.days)
        };
        let mut found = Vec::new();
        for day in span.days() {
            let examined = conciliation::examine(&self.context.db, log, queue, day, now).await?;
            found.extend(examined.compared);
        }
        Ok(found)
    }
}

/// The lines in columns, each followed by the first of its missing ids.
fn table(queue: &str, found: &[Compared]) -> String {
    let mut text = format!("{queue}\n{}\n", HEADINGS.join(" "));
    for Compared { line, missing } in found {
        let hour = line.hour.format("%Y-%m-%dT%H:%MZ").to_string();
        let mut cells = vec![format!("{hour:<17}"), format!("{:<24}", line.routing_key)];
        let Line {
            sent,
            waiting,
            applied,
            ignored,
            parked,
            surplus,
            ..
        } = line;
        let counts = [
            sent,
            waiting,
            applied,
            ignored,
            parked,
            &line.missing,
            surplus,
        ];
        cells.extend(counts.map(|count| format!("{count:>8}")));
        text.push_str(&cells.join(" "));
        text.push('\n');
        let shown = missing.iter().take(IDS_SHOWN);
        text.extend(shown.map(|id| format!("    missing: {id}\n")));
    }
    if found.is_empty() {
        text.push_str("nothing was sent\n");
    }
    text
}

/// Tells whoever typed the command.
#[expect(clippy::print_stdout, reason = "the output of a command for people")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_number_stands_below_its_heading() {
        let line = Line {
            hour: DateTime::UNIX_EPOCH,
            routing_key: "tasks.task.assigned".to_owned(),
            sent: 12,
            waiting: 1,
            applied: 9,
            ignored: 1,
            parked: 1,
            missing: 1,
            surplus: 0,
        };
        let missing = vec![Uuid::nil()];
        let text = table("finance.tasks", &[Compared { line, missing }]);
        let lines: Vec<_> = text.lines().collect();
        let [_, headings, numbers, id] = lines.as_slice() else {
            panic!("{text}");
        };
        assert_eq!(headings.len(), numbers.len());
        assert!(
            numbers.ends_with("      12        1        9        1        1        1        0")
        );
        assert!(id.contains(&Uuid::nil().to_string()));
    }
}
