//! The archives of all messages, replaying them, and the proof that nothing was lost.

mod board;
mod conciliation;
mod reader;
mod replay;
mod rest;
mod sender;
mod topology;
