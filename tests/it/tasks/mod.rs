//! The task board: who gets a task, what is said of it, and who may ask.

mod assignment;
mod order;
mod outage;
mod rest;
