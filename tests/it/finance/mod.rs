//! The ledger and what feeds it.

mod immutability;
mod ledger;
mod order;
mod outage;
mod poison;
