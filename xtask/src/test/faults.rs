//! Topology and fault tests, on every RabbitMQ that there is: they kill servers, so these are their own.

use std::path::Path;

use anyhow::Result;

use super::{Plan, counts::Counts, rust, variables, with_environment};
use crate::{
    binaries::Profile,
    console, debian,
    environment::{Broker, Environment, Name},
    ports::TEST_BASE,
    up::Extent,
};

/// What came out.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) counts: Counts,
    /// One sentence for each broker on which nothing was tested.
    pub(super) left_out: Vec<String>,
}

/// Runs them on each broker of `plan`; ports are counted from those of the test environment.
///
/// # Errors
/// One sentence about what could not be started.
pub(super) fn run(test: &Environment, plan: &Plan, own: &Path) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for broker in &plan.brokers {
        let name = match broker {
            Broker::Installed => Name::Faults,
            Broker::Four => Name::FaultsBroker4,
        };
        let base = test.ports.base() + (name.base_port() - TEST_BASE);
        let environment = Environment::open(name, Some(base))?;
        if *broker == Broker::Four
            && let Err(obstacle) = debian::prepare(&environment)
        {
            let sentence = format!("NOT RUN: topology and fault tests on RabbitMQ 4: {obstacle:#}");
            console::plain(&sentence);
            outcome.left_out.push(sentence);
            continue;
        }
        let counts = with_environment(
            &environment,
            Extent::Messages(Profile::DevWithTests),
            plan.afterwards,
            || {
                rust::run(
                    &environment,
                    // `.config/nextest.toml` selects them by the name of the environment.
                    name.folder(),
                    &plan.nextest,
                    &variables(&environment, own)?,
                )
            },
        )?;
        outcome.counts = outcome.counts + counts;
    }
    Ok(outcome)
}
