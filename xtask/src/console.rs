//! What the person at the terminal reads.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks by printing"
)]

use std::{sync::OnceLock, time::Instant};

fn elapsed_seconds() -> f32 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f32()
}

/// One line of progress: seconds since the start, who speaks, what happens.
pub fn progress(who: &str, what: &str) {
    println!("[{:6.1}s] {who:<16} {what}", elapsed_seconds());
}

/// Text as it is: tables and results.
pub fn plain(text: &str) {
    println!("{text}");
}

/// The sentence a failed command ends with.
pub fn error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
