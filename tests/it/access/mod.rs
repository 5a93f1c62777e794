//! Who gets in where: every route of every listener against everybody who may knock.
//!
//! The lists of routes come from the listeners themselves. A new route fails these tests until a line in
//! a table says who may use it: pages in `pages.rs`, what depends on a task's people and state in
//! `tasks.rs` as well, routes for machines in `machines.rs`. The other tests here go through the same lines.

mod csrf;
mod headers;
mod input;
mod machines;
mod outage;
mod pages;
mod stage;
mod table;
mod tasks;
mod tokens;
