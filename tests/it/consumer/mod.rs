//! Errors by kind: what each does to the queue, to the message, and to its innocent neighbours (DESIGN.md section 8).

mod batches;
mod bench;
mod pause;
mod refusal;
mod retry;
