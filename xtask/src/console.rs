//! What the person at the terminal reads.

use std::{
    io::{self, Write as _},
    sync::OnceLock,
    time::Instant,
};

fn elapsed_seconds() -> f32 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f32()
}

/// One line of progress: seconds since the start, who speaks, what happens.
pub(crate) fn progress(who: &str, what: &str) {
    plain(&format!("[{:6.1}s] {who:<16} {what}", elapsed_seconds()));
}

/// Text as it is: tables and results.
///
/// Nobody may be listening any more, as after `| head`; that is no reason to stop half-way.
pub(crate) fn plain(text: &str) {
    writeln!(io::stdout().lock(), "{text}").ok();
}

/// The sentence a failed command ends with.
pub fn error(error: &anyhow::Error) {
    writeln!(io::stderr().lock(), "error: {error:#}").ok();
}
