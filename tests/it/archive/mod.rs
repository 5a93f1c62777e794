//! The archives of all messages, replaying them, and the proof that nothing was lost.

mod topology;
