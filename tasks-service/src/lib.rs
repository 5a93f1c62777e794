//! The task board: files tasks, hands them out at random, and tells the world what became of them.

pub mod domain;
