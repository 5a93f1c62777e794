//! What this process does with the broker at the moment, for the row it writes about itself.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Whether messages of a queue are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// They are.
    Consuming,
    /// Not yet, or not any more: the broker is away.
    Connecting,
    /// Not until something that every message needs is back.
    Paused,
}

/// What one process says of one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerReport {
    /// The queue.
    pub queue: String,
    /// Whether its messages are taken.
    pub phase: Phase,
    /// Why not, in words.
    pub why: Option<String>,
    /// Since when that is so.
    pub since: DateTime<Utc>,
}

/// What the consumers and the relay of one process report; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Activity(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    consumers: Mutex<BTreeMap<String, ConsumerReport>>,
    sent: AtomicU64,
}

impl Activity {
    /// Notes how a consumer is; the time stays that of the first report of the same phase.
    pub(crate) fn consumer(
        &self,
        queue: &str,
        phase: Phase,
        why: Option<String>,
        now: DateTime<Utc>,
    ) {
        let mut consumers = self.lock();
        let before = consumers.get(queue).filter(|report| report.phase == phase);
        let report = ConsumerReport {
            queue: queue.to_owned(),
            phase,
            since: before.map_or(now, |report| report.since),
            why: why.or_else(|| before.and_then(|report| report.why.clone())),
        };
        consumers.insert(queue.to_owned(), report);
    }

    /// Notes that the broker has confirmed messages.
    pub(crate) fn sent(&self, messages: usize) {
        let messages = u64::try_from(messages).unwrap_or(u64::MAX);
        self.0.sent.fetch_add(messages, Ordering::Relaxed);
    }

    /// How the consumers are, by queue.
    #[must_use]
    pub fn consumers(&self) -> Vec<ConsumerReport> {
        self.lock().values().cloned().collect()
    }

    /// The messages confirmed since it was last asked.
    pub(super) fn take_sent(&self) -> u64 {
        self.0.sent.swap(0, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, ConsumerReport>> {
        self.0
            .consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_pause_keeps_its_beginning_and_its_reason_until_it_ends() {
        let activity = Activity::default();
        let why = Some("the database".to_owned());
        activity.consumer("q", Phase::Paused, why.clone(), at(1));
        activity.consumer("q", Phase::Paused, None, at(2));
        let [report] = activity.consumers().try_into().unwrap();
        assert_eq!((report.since, report.why), (at(1), why));
        activity.consumer("q", Phase::Consuming, None, at(3));
        let [report] = activity.consumers().try_into().unwrap();
        assert_eq!((report.since, report.why), (at(3), None));
    }

    #[test]
    fn what_was_sent_is_told_once() {
        let activity = Activity::default();
        activity.sent(2);
        activity.clone().sent(3);
        assert_eq!((activity.take_sent(), activity.take_sent()), (5, 0));
    }
}
