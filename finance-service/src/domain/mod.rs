//! The rules of money, free of databases, brokers and the wall clock (DESIGN.md section 4, M1 to M7).
#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic)
)]

pub mod account;
pub mod calendar;
pub mod event;
pub mod ledger;
pub mod money;
pub mod pricing;
