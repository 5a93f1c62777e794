//! Ctrl-C and its relatives: noticed at once, acted upon at the next safe place.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Result, bail};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};

static REQUESTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// How often a waiting loop looks.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Notices SIGINT, SIGTERM and SIGHUP from now on, instead of ending at once.
pub(crate) fn listen() -> Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&REQUESTED))?;
    }
    Ok(())
}

/// Asks everything under way to stop, as Ctrl-C does.
pub(crate) fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Whether somebody asked.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Sleeps one tick.
///
/// # Errors
/// When somebody asked to stop.
pub(crate) fn tick() -> Result<()> {
    if requested() {
        bail!("stopped on request");
    }
    thread::sleep(TICK);
    Ok(())
}
