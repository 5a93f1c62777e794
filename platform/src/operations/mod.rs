//! What administrators see and move on (DESIGN.md section 8): what is stuck, why, and who did what about it.

pub mod audit;
