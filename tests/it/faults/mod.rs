//! Processes killed, links broken, servers gone: afterwards every message is accounted for, once.
//!
//! docs/faults.md lists what is broken where, and what is demanded then.

mod accounts;
mod capability;
mod chain;
mod kill_points;
mod links;
mod poison;
mod processes;
mod sent;
mod servers;

/// How many times over the tests that can be repeated break something: once unless
/// `TASK_EXCHANGE_FAULT_ROUNDS` says more.
fn rounds() -> usize {
    #[expect(
        clippy::disallowed_methods,
        reason = "a choice of the person who runs the tests"
    )]
    let wanted = std::env::var("TASK_EXCHANGE_FAULT_ROUNDS");
    wanted.map_or(1, |number| {
        number
            .parse()
            .expect("TASK_EXCHANGE_FAULT_ROUNDS is a number")
    })
}
