//! The ledger and what feeds it.

mod caches;
mod immutability;
mod ledger;
mod order;
mod outage;
mod poison;
