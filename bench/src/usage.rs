//! What processes cost: CPU time and memory, as `/proc` tells it (proc(5)).

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::environment::Environment;

/// The length of a tick of `/proc/PID/stat`: `USER_HZ` is 100 on every platform of Linux we run on.
const TICK: Duration = Duration::from_millis(10);

/// The servers that every measurement uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    postgres: u32,
    broker: u32,
}

/// The clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    at: Instant,
    program: Duration,
    postgres: Duration,
    broker: Duration,
}

/// CPU time per event in microseconds, by who spent it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Cost {
    /// The process that is measured: a service or the bare loop.
    pub(crate) program: f64,
    /// PostgreSQL, all its processes.
    pub(crate) postgres: f64,
    /// RabbitMQ.
    pub(crate) broker: f64,
}

/// Resident memory in MB (10^6 bytes).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) now: f64,
    pub(crate) peak: f64,
}

/// One run: how fast, and at what cost.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    pub(crate) cost: Cost,
}

impl Meter {
    pub(crate) fn new(environment: &Environment) -> Result<Self> {
        Ok(Self {
            postgres: environment.pid("postgres")?,
            broker: environment.pid("rabbitmq")?,
        })
    }

    /// Reads the clocks; `programs` are the processes that are measured.
    pub(crate) fn read(self, programs: &[u32]) -> Result<Reading> {
        let mut program = Duration::ZERO;
        for pid in programs {
            program += Stat::of(*pid)?.own;
        }
        Ok(Reading {
            at: Instant::now(),
            program,
            postgres: with_children(self.postgres)?,
            broker: Stat::of(self.broker)?.own,
        })
    }
}

impl Reading {
    /// What `events` cost from this moment to `end`.
    pub(crate) fn until(&self, end: &Self, events: u32) -> Sample {
        let elapsed = end.at.duration_since(self.at);
        let micros = |from: Duration, to: Duration| {
            to.saturating_sub(from).as_secs_f64() * 1e6 / f64::from(events)
        };
        Sample {
            per_second: f64::from(events) / elapsed.as_secs_f64(),
            cost: Cost {
                program: micros(self.program, end.program),
                postgres: micros(self.postgres, end.postgres),
                broker: micros(self.broker, end.broker),
            },
        }
    }
}

struct Stat {
    parent: u32,
    own: Duration,
    /// Of children that ended.
    reaped: Duration,
}

impl Stat {
    fn of(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid} is gone"))?;
        Self::parse(&text).with_context(|| format!("/proc/{pid}/stat cannot be read: {text}"))
    }

    fn parse(text: &str) -> Option<Self> {
        // The name stands in brackets and may hold anything, so count from the last bracket.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |first: usize| {
            let pair = fields.get(first..first + 2)?;
            let sum: u32 = pair
                .iter()
                .filter_map(|text| text.parse::<u32>().ok())
                .sum();
            Some(TICK * sum)
        };
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: ticks(11)?,
            reaped: ticks(13)?,
        })
    }
}

/// The time of a process, of its living children, and of those that ended.
fn with_children(pid: u32) -> Result<Duration> {
    let parent = Stat::of(pid)?;
    let mut sum = parent.own + parent.reaped;
    for entry in fs::read_dir("/proc")? {
        let child = entry?.file_name().to_string_lossy().parse();
        // Others come and go meanwhile.
        let child = child.ok().and_then(|child: u32| Stat::of(child).ok());
        sum += child
            .filter(|child| child.parent == pid)
            .map_or(Duration::ZERO, |child| child.own);
    }
    Ok(sum)
}

/// The memory of a process.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} is gone"))?;
    let megabytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u32 = line.split_whitespace().next()?.parse().ok()?;
        Some(f64::from(kibibytes) * 1024.0 / 1e6)
    };
    let read = || {
        Some(Memory {
            now: megabytes("VmRSS:")?,
            peak: megabytes("VmHWM:")?,
        })
    };
    read().with_context(|| format!("/proc/{pid}/status has no memory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_the_last_bracket() {
        let text = "17 (a) b) (c) S 4 17 17 0 -1 4194560 1 2 3 4 150 50 20 5 20 0 1 0 99 1 1";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat.parent, 4);
        assert_eq!(stat.own, Duration::from_secs(2));
        assert_eq!(stat.reaped, Duration::from_millis(250));
    }

    #[test]
    fn this_process_has_memory() {
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.now > 0.1 && memory.peak >= memory.now, "{memory:?}");
    }
}
