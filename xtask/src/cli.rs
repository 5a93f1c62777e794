//! The commands and options of `cargo xtask`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum as _};

use crate::{
    bench::{self, Figure, Order, Suite},
    binaries::Profile,
    console, description, down,
    environment::{Broker, Environment, Name},
    interrupt,
    manage::{self, Action},
    parts::Part,
    realm,
    test::{self, Afterwards, Plan},
    up::{self, Extent},
};

/// Runs the whole system on this machine, and its tests.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what is missing, start everything, print where it is. Ctrl-C stops it.
    Up(UpOptions),
    /// Stop everything.
    Down {
        #[command(flatten)]
        environment: EnvironmentOption,
        /// Forget the data as well.
        #[arg(long)]
        wipe: bool,
    },
    /// Show what runs.
    Status(EnvironmentOption),
    /// Show what a part printed.
    Logs {
        part: Part,
        #[command(flatten)]
        environment: EnvironmentOption,
        /// How many lines from the end.
        #[arg(long, short = 'n', default_value_t = 200)]
        lines: usize,
    },
    /// Start one part of an environment that is up.
    Start(PartOptions),
    /// Stop one part.
    Stop(PartOptions),
    /// Stop one part and start it again.
    Restart(PartOptions),
    /// End one part without a warning, as a crash of its machine would.
    Kill(PartOptions),
    /// Run `rabbitmqctl` against the broker of an environment.
    Rabbitmqctl {
        #[command(flatten)]
        environment: EnvironmentOption,
        /// Its command and arguments, such as `list_queues`.
        #[arg(last = true, required = true)]
        arguments: Vec<String>,
    },
    /// Compare the realm that runs with its file, or take the file over.
    Realm {
        #[command(subcommand)]
        action: realm::Action,
        #[command(flatten)]
        environment: EnvironmentOption,
    },
    /// Check formatting and lints, start the test environment, run every test.
    Test(TestOptions),
    /// Measure the system beside the bare limits of this machine, on servers of its own.
    ///
    /// Builds services and the measuring program optimised, starts an environment (`--env bench`),
    /// and alternates between the bare loop and the real thing, because other load of the machine
    /// comes and goes: read the ratios. Writes one JSON file and one Markdown table to
    /// `target/bench/results`. docs/benchmarks.md says what each figure means.
    Bench(BenchOptions),
}

#[derive(Debug, Args)]
struct BenchOptions {
    /// What to measure.
    suite: Suite,
    /// Only these figures, in their usual order.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Figure>,
    /// How often bare and real are measured in turn; medians and spreads are reported.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=50))]
    rounds: u16,
    /// Leave the servers running for the next time.
    #[arg(long)]
    keep: bool,
    /// The first of the 19 ports; kept with the data.
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
}

#[derive(Debug, Args)]
struct EnvironmentOption {
    /// Which environment.
    #[arg(long, value_enum, default_value_t = Name::Dev)]
    env: Name,
}

#[derive(Debug, Args)]
struct PartOptions {
    part: Part,
    #[command(flatten)]
    environment: EnvironmentOption,
}

#[derive(Debug, Args)]
struct UpOptions {
    #[command(flatten)]
    environment: EnvironmentOption,
    /// Return when everything is healthy and leave it running.
    #[arg(long)]
    detach: bool,
    /// Build the services optimised.
    #[arg(long)]
    release: bool,
    /// Start only the servers of others, for services that are run by hand.
    #[arg(long, conflicts_with = "release")]
    servers_only: bool,
    /// The first of the 19 ports; kept with the data.
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
}

#[derive(Debug, Args)]
struct TestOptions {
    /// Only these stages, in their usual order.
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "no_browser")]
    only: Vec<test::Stage>,
    /// Leave the browser tests out.
    #[arg(long)]
    no_browser: bool,
    /// Only topology and fault tests, on this RabbitMQ; without it they run on all that there are.
    #[arg(long, value_enum, conflicts_with_all = ["only", "no_browser"])]
    broker: Option<Broker>,
    /// Leave the environment running for the next time.
    #[arg(long)]
    keep: bool,
    /// The first of the 19 ports; kept with the data.
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
    /// What nextest is told on top, such as a filter.
    #[arg(last = true)]
    nextest: Vec<String>,
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// One sentence saying what to do.
    pub fn run(self) -> Result<ExitCode> {
        interrupt::listen()?;
        match self.command {
            Command::Up(options) => run_up(&options),
            Command::Down {
                environment,
                wipe: false,
            } => down::down(&environment.open()?).map(success),
            Command::Down {
                environment,
                wipe: true,
            } => down::wipe(&environment.open()?).map(success),
            Command::Status(environment) => {
                console::plain(&manage::status(&environment.open()?));
                Ok(ExitCode::SUCCESS)
            }
            Command::Logs {
                part,
                environment,
                lines,
            } => {
                console::plain(&manage::log(&environment.open()?, part, lines)?);
                Ok(ExitCode::SUCCESS)
            }
            Command::Start(options) => options.act(Action::Start),
            Command::Stop(options) => options.act(Action::Stop),
            Command::Restart(options) => options.act(Action::Restart),
            Command::Kill(options) => options.act(Action::Kill),
            Command::Rabbitmqctl {
                environment,
                arguments,
            } => manage::broker_tool(&environment.open()?, &arguments).map(exit_code),
            Command::Realm {
                action,
                environment,
            } => realm::act(&environment.open()?, action),
            Command::Test(options) => test::run(&options.plan()),
            Command::Bench(options) => bench::run(&options.order()),
        }
    }
}

impl EnvironmentOption {
    fn open(&self) -> Result<Environment> {
        Environment::open(self.env, None)
    }
}

impl PartOptions {
    fn act(&self, action: Action) -> Result<ExitCode> {
        manage::act(&self.environment.open()?, self.part, action).map(success)
    }
}

impl BenchOptions {
    fn order(self) -> Order {
        Order {
            suite: self.suite,
            only: self.only,
            rounds: self.rounds,
            afterwards: if self.keep {
                Afterwards::Keep
            } else {
                Afterwards::AsBefore
            },
            base_port: self.base_port,
        }
    }
}

impl TestOptions {
    fn plan(self) -> Plan {
        let all = test::Stage::ALL.into_iter();
        let stages = match (self.broker, self.only.is_empty(), self.no_browser) {
            (Some(_), ..) => vec![test::Stage::Faults],
            (None, false, _) => all.filter(|stage| self.only.contains(stage)).collect(),
            (None, true, true) => all.filter(|stage| *stage != test::Stage::Browser).collect(),
            (None, true, false) => all.collect(),
        };
        let brokers = match self.broker {
            Some(broker) => vec![broker],
            None => Broker::value_variants().to_vec(),
        };
        let afterwards = if self.keep {
            Afterwards::Keep
        } else {
            Afterwards::AsBefore
        };
        Plan {
            stages,
            brokers,
            afterwards,
            base_port: self.base_port,
            nextest: self.nextest,
        }
    }
}

fn success((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

fn exit_code(content: bool) -> ExitCode {
    if content {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn run_up(options: &UpOptions) -> Result<ExitCode> {
    let environment = Environment::open(options.environment.env, options.base_port)?;
    let extent = match (options.servers_only, options.release) {
        (true, _) => Extent::Servers,
        (false, true) => Extent::All(Profile::Release),
        (false, false) => Extent::All(Profile::Dev),
    };
    up::start(&environment, extent)?;
    console::plain(&format!("\n{}\n", description::table(&environment)?));
    if options.detach {
        console::plain(&format!(
            "It runs on in the background: `cargo xtask down{}` stops it.",
            environment.option()
        ));
    } else {
        console::plain("Ctrl-C stops it.");
        up::watch(&environment)?;
    }
    Ok(ExitCode::SUCCESS)
}
