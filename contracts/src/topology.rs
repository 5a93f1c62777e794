//! Names and arguments of every exchange and queue (DESIGN.md section 5).
//!
//! One place, because the broker refuses a second declaration that differs in any argument. No
//! plugin is needed and RabbitMQ 3.10 to 4.x take the same arguments.

/// The largest number of ids in one `batch-get`.
pub const MAX_BATCH_GET: usize = 500;

/// The delays of the retry queues of every consumer queue, in milliseconds, growing.
pub const RETRY_DELAYS_MS: [i64; 5] = [1_000, 5_000, 30_000, 300_000, 1_800_000];

/// How often the broker redelivers a message before it dead-letters it: the net for crash loops.
pub const DELIVERY_LIMIT: i64 = 20;

/// A limit that is never reached, for queues which are only drained.
///
/// RabbitMQ 3.10 reads -1 as "dead-letter at once", so "no limit" has to be a large number.
pub const NO_DELIVERY_LIMIT: i64 = 1_000_000;

/// How long an archive keeps messages: longer than a consumer may be away unnoticed.
const ARCHIVE_MAX_AGE: &str = "7D";

/// The most bytes of an archive, so that it cannot fill the broker's disk before its time is over.
const ARCHIVE_MAX_BYTES: i64 = 20_000_000_000;

/// The bytes of one file of an archive; what is too old goes by whole files.
const ARCHIVE_SEGMENT_BYTES: i64 = 100_000_000;

/// What the name of every [`entrance`] ends in.
pub const ENTRANCE_SUFFIX: &str = ".in";

/// A publishing service: the owner of one topic exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publisher {
    /// The auth bridge.
    Auth,
    /// tasks-service.
    Tasks,
    /// finance-service.
    Finance,
}

impl Publisher {
    /// Every publisher.
    pub const ALL: [Self; 3] = [Self::Auth, Self::Tasks, Self::Finance];

    /// Its topic exchange, also its broker account and its `app_id`.
    #[must_use]
    pub const fn exchange(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Tasks => "tasks",
            Self::Finance => "finance",
        }
    }
}

/// A queue of messages that one service takes from another's exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerQueue {
    /// The queue, `<consumer>.<publisher>`.
    pub name: &'static str,
    /// Who reads it.
    pub consumer: Publisher,
    /// Whose exchange it is bound to.
    pub source: Publisher,
    /// The pattern of routing keys it takes.
    pub binding: &'static str,
}

impl ConsumerQueue {
    /// Whether messages under `key` reach it: its binding is a key, or ends in `*` for one word.
    #[must_use]
    pub fn takes(self, key: &str) -> bool {
        match self.binding.strip_suffix('*') {
            None => key == self.binding,
            Some(stem) => key
                .strip_prefix(stem)
                .is_some_and(|word| !word.is_empty() && !word.contains('.')),
        }
    }
}

/// Users for Tasks.
pub const TASKS_AUTH: ConsumerQueue = ConsumerQueue {
    name: "tasks.auth",
    consumer: Publisher::Tasks,
    source: Publisher::Auth,
    binding: "auth.user.*",
};

/// Users for Finance.
pub const FINANCE_AUTH: ConsumerQueue = ConsumerQueue {
    name: "finance.auth",
    consumer: Publisher::Finance,
    source: Publisher::Auth,
    binding: "auth.user.*",
};

/// Tasks for Finance: the money.
pub const FINANCE_TASKS: ConsumerQueue = ConsumerQueue {
    name: "finance.tasks",
    consumer: Publisher::Finance,
    source: Publisher::Tasks,
    binding: "tasks.task.*",
};

/// Prices for Tasks.
pub const TASKS_FINANCE: ConsumerQueue = ConsumerQueue {
    name: "tasks.finance",
    consumer: Publisher::Tasks,
    source: Publisher::Finance,
    binding: "finance.task.priced",
};

/// Every consumer queue.
pub const CONSUMER_QUEUES: [ConsumerQueue; 4] =
    [TASKS_AUTH, FINANCE_AUTH, FINANCE_TASKS, TASKS_FINANCE];

/// An argument of a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// A signed 64-bit number.
    Int(i64),
    /// A long string.
    Text(&'static str),
}

/// The kind of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeKind {
    /// By pattern of the routing key.
    Topic,
    /// By the exact routing key.
    Direct,
    /// To every bound queue.
    Fanout,
}

/// An exchange to declare, durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: ExchangeKind,
    /// Where messages go that reach no queue.
    pub alternate: Option<String>,
    /// The exchange from which it gets a copy of every message.
    pub feeds_from: Option<String>,
}

/// A queue to declare, durable, with the bindings it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Fixed arguments, in order.
    pub arguments: Vec<(&'static str, Argument)>,
    /// Exchange and routing key to which expired or rejected messages go.
    pub dead_letter: Option<(String, String)>,
    /// Pairs of exchange and routing key.
    pub bindings: Vec<(String, String)>,
}

/// The direct exchange through which a service reaches its own retry and parking queues.
#[must_use]
pub fn queues_exchange(service: Publisher) -> String {
    format!("{}.queues", service.exchange())
}

/// Where messages of an exchange are kept that nobody is bound to; exchange and queue alike.
#[must_use]
pub fn unrouted(publisher: Publisher) -> String {
    format!("{}.unrouted", publisher.exchange())
}

/// Where a service publishes: an exchange that hands each message to its topic exchange and to its archive.
///
/// An archive bound to the topic exchange itself would count as a reader, and a message that nobody
/// else reads would never reach the alternate exchange.
#[must_use]
pub fn entrance(publisher: Publisher) -> String {
    entrance_of_key(publisher.exchange())
}

/// The entrance for messages with this routing key, whose first part names the exchange.
#[must_use]
pub fn entrance_of_key(key: &str) -> String {
    let exchange = key.split_once('.').map_or(key, |(exchange, _)| exchange);
    format!("{exchange}{ENTRANCE_SUFFIX}")
}

/// The stream that keeps every message of a publisher for a week.
#[must_use]
pub fn archive(publisher: Publisher) -> String {
    format!("{}.archive", publisher.exchange())
}

/// The retry queue of `queue` with the given delay in milliseconds.
#[must_use]
pub fn retry_queue(queue: &str, delay_ms: i64) -> String {
    format!("{queue}.retry.{delay_ms}")
}

/// Where the broker puts messages of `queue` that went over the delivery limit.
#[must_use]
pub fn dead_queue(queue: &str) -> String {
    format!("{queue}.dead")
}

/// Every exchange, each after those that it names.
#[must_use]
pub fn exchanges() -> Vec<Exchange> {
    let plain = |name: String, kind: ExchangeKind| Exchange {
        name,
        kind,
        alternate: None,
        feeds_from: None,
    };
    let fanouts = Publisher::ALL.into_iter().flat_map(|publisher| {
        let names = [unrouted(publisher), entrance(publisher)];
        names.map(|name| plain(name, ExchangeKind::Fanout))
    });
    let topics = Publisher::ALL.into_iter().map(|publisher| Exchange {
        name: publisher.exchange().to_owned(),
        kind: ExchangeKind::Topic,
        alternate: Some(unrouted(publisher)),
        feeds_from: Some(entrance(publisher)),
    });
    let direct = [Publisher::Tasks, Publisher::Finance]
        .map(|service| plain(queues_exchange(service), ExchangeKind::Direct));
    fanouts.chain(topics).chain(direct).collect()
}

/// Every queue with its bindings.
#[must_use]
pub fn queues() -> Vec<Queue> {
    let kept = Publisher::ALL
        .into_iter()
        .flat_map(|publisher| [archive_stream(publisher), unrouted_queue(publisher)]);
    let consumed = CONSUMER_QUEUES.into_iter().flat_map(queues_of_consumer);
    kept.chain(consumed).collect()
}

fn archive_stream(publisher: Publisher) -> Queue {
    Queue {
        name: archive(publisher),
        arguments: vec![
            ("x-queue-type", Argument::Text("stream")),
            ("x-max-age", Argument::Text(ARCHIVE_MAX_AGE)),
            ("x-max-length-bytes", Argument::Int(ARCHIVE_MAX_BYTES)),
            (
                "x-stream-max-segment-size-bytes",
                Argument::Int(ARCHIVE_SEGMENT_BYTES),
            ),
        ],
        dead_letter: None,
        bindings: vec![(entrance(publisher), String::new())],
    }
}

fn unrouted_queue(publisher: Publisher) -> Queue {
    let name = unrouted(publisher);
    Queue {
        name: name.clone(),
        arguments: vec![
            ("x-queue-type", Argument::Text("quorum")),
            ("x-max-length", Argument::Int(100_000)),
            ("x-overflow", Argument::Text("drop-head")),
            ("x-delivery-limit", Argument::Int(NO_DELIVERY_LIMIT)),
        ],
        dead_letter: None,
        bindings: vec![(name, String::new())],
    }
}

fn queues_of_consumer(queue: ConsumerQueue) -> Vec<Queue> {
    let own = queues_exchange(queue.consumer);
    let dead = dead_queue(queue.name);
    let main = Queue {
        name: queue.name.to_owned(),
        arguments: vec![
            ("x-queue-type", Argument::Text("quorum")),
            ("x-delivery-limit", Argument::Int(DELIVERY_LIMIT)),
            ("x-dead-letter-strategy", Argument::Text("at-least-once")),
            ("x-overflow", Argument::Text("reject-publish")),
        ],
        dead_letter: Some((own.clone(), dead.clone())),
        bindings: vec![
            (queue.source.exchange().to_owned(), queue.binding.to_owned()),
            (own.clone(), queue.name.to_owned()),
        ],
    };
    let parking = Queue {
        name: dead.clone(),
        arguments: vec![
            ("x-queue-type", Argument::Text("quorum")),
            ("x-overflow", Argument::Text("reject-publish")),
            ("x-delivery-limit", Argument::Int(NO_DELIVERY_LIMIT)),
        ],
        dead_letter: None,
        bindings: vec![(own.clone(), dead)],
    };
    let retries = RETRY_DELAYS_MS.into_iter().map(|delay_ms| {
        let name = retry_queue(queue.name, delay_ms);
        Queue {
            name: name.clone(),
            arguments: vec![
                ("x-queue-type", Argument::Text("quorum")),
                ("x-message-ttl", Argument::Int(delay_ms)),
                ("x-dead-letter-strategy", Argument::Text("at-least-once")),
                ("x-overflow", Argument::Text("reject-publish")),
            ],
            dead_letter: Some((own.clone(), queue.name.to_owned())),
            bindings: vec![(own.clone(), name)],
        }
    });
    [main, parking].into_iter().chain(retries).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_consumer_queue_has_its_retries_and_its_dead() {
        let names: Vec<_> = queues().into_iter().map(|queue| queue.name).collect();
        let unique: HashSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
        assert_eq!(
            names.len(),
            2 * Publisher::ALL.len() + CONSUMER_QUEUES.len() * (2 + RETRY_DELAYS_MS.len())
        );
    }

    #[test]
    fn every_binding_and_dead_letter_names_a_declared_exchange() {
        let declared: HashSet<_> = exchanges().into_iter().map(|e| e.name).collect();
        for queue in queues() {
            let targets = queue.bindings.iter().chain(queue.dead_letter.iter());
            for (exchange, _) in targets {
                assert!(declared.contains(exchange), "{exchange} of {}", queue.name);
            }
        }
    }

    #[test]
    fn every_exchange_comes_after_those_that_it_names() {
        let mut declared = HashSet::new();
        for exchange in exchanges() {
            let mut named = exchange.alternate.iter().chain(&exchange.feeds_from);
            assert!(named.all(|name| declared.contains(name)), "{exchange:?}");
            declared.insert(exchange.name);
        }
    }

    #[test]
    fn the_first_part_of_a_key_says_where_a_message_enters() {
        assert_eq!(
            entrance_of_key("tasks.task.changed"),
            entrance(Publisher::Tasks)
        );
    }
}
