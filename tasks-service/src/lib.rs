//! The task board: files tasks, hands them out at random, and tells the world what became of them.

pub mod api;
pub mod app;
pub mod config;
pub mod doctor;
pub mod domain;
mod failure;
mod jobs;
pub mod maintenance;
pub mod messaging;
mod operations;
mod peers;
pub mod service;
pub mod state;
pub mod store;
pub mod web;
