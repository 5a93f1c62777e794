//! `cargo xtask up`: from an empty machine to a running system.

use std::{collections::BTreeSet, path::PathBuf, sync::OnceLock};

use anyhow::Result;

use crate::{
    binaries::{self, Profile},
    console, debian, description, down,
    environment::{Broker, Environment},
    failure::Failure,
    interrupt, keycloak_tree, node_modules, packages,
    parts::{Context, Part, migrate},
    process,
    programs::{Programs, SERVERS},
    realm,
    schedule::{self, Step},
    state::State,
};

/// What of an environment is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Servers and services, the services built this way.
    All(Profile),
    /// Only the servers of others, for services that are run by hand.
    Servers,
    /// Only databases and broker, and the services built this way, not started.
    Messages(Profile),
}

impl Extent {
    /// How the services are built, if they are.
    const fn profile(self) -> Option<Profile> {
        match self {
            Self::All(profile) | Self::Messages(profile) => Some(profile),
            Self::Servers => None,
        }
    }
}

/// Brings everything up and returns when it is healthy. Data that is there is kept.
///
/// # Errors
/// One sentence about the part that failed, with the end of its log. What was started is stopped.
pub(crate) fn start(environment: &Environment, extent: Extent) -> Result<()> {
    packages::install_missing(environment, &SERVERS)?;
    if environment.broker() == Broker::Four {
        debian::prepare(environment)?;
    }
    let programs = Programs::find(environment)?;
    let _one_at_a_time = environment.lock()?;
    let state = State::open(environment, &programs)?;
    let is_new = |part: &Part| process::running(environment, part.name()).is_none();
    let new: Vec<Part> = Part::ALL.into_iter().filter(is_new).collect();
    for part in &new {
        part.check_ports(environment)?;
    }
    let started = start_parts(environment, &programs, state, extent);
    if started.is_err() {
        console::progress("up", "stopping what was started");
        description::remove(environment);
        down::stop_parts(environment, &new)?;
    }
    started?;
    description::write(environment)
}

fn start_parts(
    environment: &Environment,
    programs: &Programs,
    state: State,
    extent: Extent,
) -> Result<()> {
    let built = OnceLock::new();
    start_servers(
        &Context {
            environment,
            programs,
            binaries: None,
        },
        extent,
        &built,
    )?;
    let Some(folder) = built.into_inner() else {
        return Ok(());
    };
    state
        .with_binaries(folder.clone())
        .save(&environment.folder())?;
    if matches!(extent, Extent::Messages(_)) {
        return Ok(());
    }
    let context = Context {
        environment,
        programs,
        binaries: Some(folder),
    };
    realm::take_over(&context)?;
    start_services(&context)
}

/// The servers of others; the services are built meanwhile.
fn start_servers(context: &Context<'_>, extent: Extent, built: &OnceLock<PathBuf>) -> Result<()> {
    let environment = context.environment;
    let start = |part: Part, after: &[&'static str]| {
        Step::new(part.name(), after, move || part.start(context))
    };
    let mut steps = vec![
        start(Part::Postgres, &[]),
        start(Part::Epmd, &[]),
        start(Part::Rabbitmq, &["epmd"]),
    ];
    if !matches!(extent, Extent::Messages(_)) {
        steps.extend([
            Step::new("distribution", &[], || {
                keycloak_tree::prepare(environment, context.programs)
            }),
            Step::new("mail packages", &[], || {
                node_modules::mail_catcher(environment).map(drop)
            }),
            start(Part::Keycloak, &["distribution", "postgres"]),
            start(Part::Mail, &["mail packages"]),
            start(Part::Nginx, &[]),
        ]);
    }
    if let Some(profile) = extent.profile() {
        steps.push(Step::new("build", &[], move || {
            let folder = binaries::build(environment, profile)?;
            built.get_or_init(|| folder);
            Ok(())
        }));
    }
    schedule::run(steps)
}

/// Our services; those that run are stopped first, because they may be older than what was built.
fn start_services(context: &Context<'_>) -> Result<()> {
    let step = |service: Part| {
        Step::new(service.name(), &[], move || {
            service.stop(context.environment)?;
            migrate(context, service)?;
            service.start(context)
        })
    };
    schedule::run(Part::SERVICES.map(step).into_iter().collect())
}

/// Stays until somebody asks to stop, and says so when a part ends by itself. Then stops all.
///
/// # Errors
/// When a process cannot be stopped.
pub(crate) fn watch(environment: &Environment) -> Result<()> {
    let mut reported = BTreeSet::new();
    while interrupt::tick().is_ok() {
        for part in Part::ALL {
            let Some(process) = process::remembered(environment, part.name()) else {
                continue;
            };
            if !process.is_alive() && reported.insert(process.pid) {
                let sentence = format!(
                    "it ended by itself: start it again with `cargo xtask start {part}{}`",
                    environment.option()
                );
                let failure =
                    Failure::new(part.name(), sentence).with_log(&environment.log(part.name()));
                console::plain(&failure.to_string());
            }
        }
    }
    console::plain("");
    down::down(environment)
}
