//! Prices, ledger and accounts: everything the task exchange knows of money.

pub mod domain;
pub mod store;
