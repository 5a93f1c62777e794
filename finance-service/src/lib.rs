//! Prices, ledger and accounts: everything the task exchange knows of money.

pub mod api;
pub mod app;
pub mod config;
pub mod doctor;
pub mod domain;
mod jobs;
pub mod maintenance;
pub mod messaging;
mod operations;
mod peers;
pub mod service;
pub mod state;
pub mod store;
pub mod web;
