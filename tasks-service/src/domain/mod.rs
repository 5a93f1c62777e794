//! The rules of the task board (DESIGN.md section 4, T1 to T7), without time, randomness or storage of their own.

pub mod assignment;
pub mod event;
pub mod id;
pub mod person;
pub mod task;
pub mod text;
