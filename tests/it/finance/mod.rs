//! The ledger and what feeds it.

mod immutability;
