//! The ledger and what feeds it.

mod immutability;
mod ledger;
mod outage;
mod poison;
