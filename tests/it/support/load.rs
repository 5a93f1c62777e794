//! How hard a server was asked: how often, how fast, and how much at once.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Counts requests.
#[derive(Debug, Default)]
pub(crate) struct Load {
    arrivals: Mutex<Vec<Instant>>,
    under_way: AtomicUsize,
    most_at_once: AtomicUsize,
}

/// A request, for as long as it is under way.
#[derive(Debug)]
pub(crate) struct UnderWay<'a>(&'a Load);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Load {
    /// A request has come.
    pub(crate) fn arrive(&self) -> UnderWay<'_> {
        self.arrivals
            .lock()
            .expect("no test panics here")
            .push(Instant::now());
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(under_way, Ordering::SeqCst);
        UnderWay(self)
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.arrivals.lock().expect("no test panics here").len()
    }

    /// The most requests that were under way at one time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }

    /// The most requests that came within any one second.
    pub(crate) fn most_in_a_second(&self) -> usize {
        let arrivals = self.arrivals.lock().expect("no test panics here");
        let within = |first: &Instant| {
            let after = arrivals.iter().filter(|at| *at >= first);
            after
                .filter(|at| at.duration_since(*first) < Duration::from_secs(1))
                .count()
        };
        arrivals.iter().map(within).max().unwrap_or_default()
    }
}
