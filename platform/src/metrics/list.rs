//! The list of everything that is counted; `docs/operations.md` shows it, and tests compare it with what
//! running services say.

/// Something that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How its values behave.
    pub kind: Kind,
    /// What its values are.
    pub unit: Unit,
    /// The names of its labels; their values are few and known.
    pub labels: &'static [&'static str],
    /// What it tells, for whoever reads it.
    pub help: &'static str,
}

/// How values behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Falls into buckets.
    Histogram,
}

/// What values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// How long, or since when.
    Seconds,
}

impl Metric {
    const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind: Kind::Counter,
            unit: Unit::Count,
            labels,
            help,
        }
    }

    const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            kind: Kind::Gauge,
            ..Self::counter(name, labels, help)
        }
    }

    const fn histogram(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            kind: Kind::Histogram,
            ..Self::counter(name, labels, help)
        }
    }

    const fn in_seconds(self) -> Self {
        Self {
            unit: Unit::Seconds,
            ..self
        }
    }

    /// Tells the recorder what the metric means.
    pub(super) fn describe(&self) {
        let unit = match self.unit {
            Unit::Count => metrics::Unit::Count,
            Unit::Seconds => metrics::Unit::Seconds,
        };
        match self.kind {
            Kind::Counter => metrics::describe_counter!(self.name, unit, self.help),
            Kind::Gauge => metrics::describe_gauge!(self.name, unit, self.help),
            Kind::Histogram => metrics::describe_histogram!(self.name, unit, self.help),
        }
    }
}

/// Everything that is counted.
pub const METRICS: &[Metric] = &[
    Metric::counter(
        "task_exchange_http_requests_total",
        &["route", "status"],
        "Requests answered, by route and by class of status.",
    ),
    Metric::histogram(
        "task_exchange_http_request_seconds",
        &["route"],
        "Time from a request's head to its answer's head.",
    )
    .in_seconds(),
    Metric::gauge(
        "task_exchange_outbox_waiting",
        &[],
        "Messages committed and not yet confirmed by the broker.",
    ),
    Metric::gauge(
        "task_exchange_outbox_oldest_seconds",
        &[],
        "Age of the oldest message that waits for the broker.",
    )
    .in_seconds(),
    Metric::gauge(
        "task_exchange_outbox_dead",
        &[],
        "Messages that the broker refused too often; a person has to look.",
    ),
    Metric::counter(
        "task_exchange_relay_published_total",
        &[],
        "Messages sent to the broker, repeats included.",
    ),
    Metric::counter(
        "task_exchange_relay_confirmed_total",
        &[],
        "Messages that the broker confirmed and a queue took.",
    ),
    Metric::counter(
        "task_exchange_relay_refused_total",
        &[],
        "Messages that the broker refused or returned.",
    ),
    Metric::gauge(
        "task_exchange_relay_leads",
        &[],
        "1 while this replica relays the outbox; the sum over replicas is 1.",
    ),
    Metric::gauge(
        "task_exchange_queue_messages",
        &["queue"],
        "Messages ready in a queue, by the broker's count.",
    ),
    Metric::gauge(
        "task_exchange_queue_consumers",
        &["queue"],
        "Consumers of a queue, of all replicas.",
    ),
    Metric::counter(
        "task_exchange_consumer_received_total",
        &["queue"],
        "Messages taken from a queue, redeliveries included.",
    ),
    Metric::counter(
        "task_exchange_consumer_messages_total",
        &["queue", "outcome"],
        "Messages by what became of them: applied, ignored, duplicate, retried, parked.",
    ),
    Metric::histogram(
        "task_exchange_consumer_batch_messages",
        &["queue"],
        "Messages in one delivery of a queue.",
    ),
    Metric::histogram(
        "task_exchange_consumer_transaction_seconds",
        &["queue"],
        "Time of one transaction, from its begin to its commit.",
    )
    .in_seconds(),
    Metric::gauge(
        "task_exchange_consumer_paused",
        &["queue"],
        "1 while consuming rests because something that every message needs is away.",
    ),
    Metric::gauge(
        "task_exchange_parked_waiting",
        &["queue"],
        "Parked messages that nobody has decided on yet.",
    ),
    Metric::gauge(
        "task_exchange_conciliation_missing",
        &["queue"],
        "Messages of the last week that were sent and never arrived; `conciliate --heal` applies them.",
    ),
    Metric::gauge(
        "task_exchange_conciliation_surplus",
        &["queue"],
        "Messages of the last week that arrived and were not sent by their service.",
    ),
    Metric::gauge(
        "task_exchange_fetch_owed",
        &["kind"],
        "Records that are to be fetched from their owner.",
    ),
    Metric::gauge(
        "task_exchange_fetch_oldest_seconds",
        &["kind"],
        "How long the oldest of these has been owed.",
    )
    .in_seconds(),
    Metric::gauge(
        "task_exchange_cache_missing",
        &["kind"],
        "Cached records that are missing at their owner and too many to be marked as deleted without a \
         question; 0 when all is well.",
    ),
    Metric::counter(
        "task_exchange_peer_requests_total",
        &["peer", "outcome"],
        "Requests sent to a peer: ok, not_found, refused, throttled, unavailable, failed, unreachable, \
         deadline, garbled.",
    ),
    Metric::counter(
        "task_exchange_peer_held_back_total",
        &["peer", "reason"],
        "Calls that ended without a request: busy, throttled, open, token.",
    ),
    Metric::histogram(
        "task_exchange_peer_request_seconds",
        &["peer"],
        "Time of one request to a peer, its whole answer included.",
    )
    .in_seconds(),
    Metric::gauge(
        "task_exchange_peer_in_flight",
        &["peer"],
        "Requests to a peer that are under way.",
    ),
    Metric::gauge(
        "task_exchange_peer_breaker",
        &["peer"],
        "State of the breaker: 0 closed, 1 one probe under way, 2 open.",
    ),
    Metric::counter(
        "task_exchange_bridge_events_total",
        &[],
        "Events of Keycloak that the auth bridge acted upon.",
    ),
    Metric::gauge(
        "task_exchange_bridge_lag_seconds",
        &[],
        "Age of the moment at which the copy of users last matched Keycloak.",
    )
    .in_seconds(),
    Metric::gauge(
        "task_exchange_bridge_compared_seconds",
        &[],
        "Time since the last full comparison with Keycloak ended.",
    )
    .in_seconds(),
    Metric::gauge(
        "task_exchange_sessions",
        &[],
        "People logged in: sessions that are not over.",
    ),
    Metric::counter(
        "task_exchange_pruned_rows_total",
        &["table"],
        "Rows removed because their time was over.",
    ),
];
