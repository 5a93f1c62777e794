//! What a broker says of itself before anybody logs in, and what it lacks for this product.
//!
//! The client library keeps this to itself, so the first words of a connection are exchanged here
//! (AMQP 0-9-1, section 2.2.4): our header, the broker's `connection.start`, and no more.

use std::{collections::BTreeSet, io};

use contracts::topology::{Argument, Queue};
use futures::io::{AsyncReadExt as _, AsyncWriteExt as _};
use lapin::{
    runtime::default_runtime,
    tcp::AMQPUriTcpExt as _,
    types::{AMQPValue, FieldTable, parsing::parse_field_table},
    uri::AMQPUri,
};

/// `AMQP`, and version 0-9-1.
const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

/// Of a frame: its type, channel and size.
const FRAME_HEADER: usize = 7;

/// The most bytes of a `connection.start` that are read; brokers send about 500.
const LONGEST: usize = 64 * 1024;

/// Class and method of `connection.start`, then two bytes of version before the table.
const START: [u8; 4] = [0, 10, 0, 10];
const VERSION_LENGTH: usize = 2;

/// The oldest RabbitMQ, as major and minor version.
const OLDEST: (u32, u32) = (3, 10);

/// From this version on a negative delivery limit means that there is none.
const NEGATIVE_LIMIT_FROM: (u32, u32) = (4, 0);

/// What the product leans on, and what would be without it.
const NEEDED: [(&str, &str); 5] = [
    (
        "publisher_confirms",
        "messages could be lost on their way in",
    ),
    ("basic.nack", "it could not say that it refused a message"),
    (
        "consumer_cancel_notify",
        "consumers would not hear that their queue is gone",
    ),
    (
        "connection.blocked",
        "nobody would hear that it takes no messages",
    ),
    (
        "exchange_exchange_bindings",
        "messages could not be archived",
    ),
];

/// What a broker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// Its product, such as `RabbitMQ`.
    pub product: String,
    /// Its version, such as `3.10.8`.
    pub version: String,
    /// The extensions of AMQP 0-9-1 that it has.
    pub capabilities: BTreeSet<String>,
}

impl Introduction {
    /// Asks the broker at `uri` who it is; no account is needed.
    ///
    /// # Errors
    /// When it cannot be reached or does not speak AMQP 0-9-1.
    pub(super) async fn of(uri: &AMQPUri) -> Result<Self, lapin::Error> {
        let mut stream = uri.connect_async(&default_runtime()?).await?;
        stream.write_all(&PROTOCOL_HEADER).await?;
        stream.flush().await?;
        let mut header = [0; FRAME_HEADER];
        stream.read_exact(&mut header).await?;
        let [_, _, _, size @ ..] = header;
        let length = usize::try_from(u32::from_be_bytes(size)).unwrap_or(LONGEST);
        let mut start = vec![0; length.min(LONGEST)];
        stream.read_exact(&mut start).await?;
        let read = Self::read(&start);
        Ok(read.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no AMQP 0-9-1 broker"))?)
    }

    fn read(start: &[u8]) -> Option<Self> {
        let table = start.strip_prefix(&START)?.get(VERSION_LENGTH..)?;
        let (_, properties) = parse_field_table(table).ok()?;
        let has = |(name, value): (&_, &AMQPValue)| {
            let name: &lapin::types::ShortString = name;
            (*value == AMQPValue::Boolean(true)).then(|| name.to_string())
        };
        let capabilities = match properties.inner().get("capabilities") {
            Some(AMQPValue::FieldTable(table)) => table.inner().iter().filter_map(has).collect(),
            _ => BTreeSet::new(),
        };
        Some(Self {
            product: text(&properties, "product"),
            version: text(&properties, "version"),
            capabilities,
        })
    }

    /// What it lacks, in words; nothing when it will do.
    #[must_use]
    pub fn lacks(&self) -> Vec<String> {
        let Self {
            product, version, ..
        } = self;
        let mut found = Vec::new();
        if product != "RabbitMQ" {
            found.push(format!("it calls itself {product:?}: RabbitMQ is needed"));
        }
        if self.release() < Some(OLDEST) {
            found.push(format!(
                "its version is {version:?}: {}.{} or newer is needed, for queues that hand \
                 dead letters on without loss and for streams",
                OLDEST.0, OLDEST.1
            ));
        }
        let missing = NEEDED
            .iter()
            .filter(|(name, _)| !self.capabilities.contains(*name));
        found.extend(missing.map(|(name, without)| format!("it has no {name}: {without}")));
        found
    }

    /// Why `queue` must not be declared on it, if so: what it would take without a word and misread.
    pub(super) fn misreads(&self, queue: &Queue) -> Option<String> {
        let limits_from_below = queue.arguments.iter().any(|(name, value)| {
            *name == "x-delivery-limit" && matches!(value, Argument::Int(..0))
        });
        (limits_from_below && self.release() < Some(NEGATIVE_LIMIT_FROM)).then(|| {
            format!(
                "RabbitMQ {} takes a negative x-delivery-limit for zero and gives up every message \
                 that comes back once",
                self.version
            )
        })
    }

    fn release(&self) -> Option<(u32, u32)> {
        let mut numbers = self.version.split('.').map(|number| number.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    }
}

fn text(table: &FieldTable, name: &str) -> String {
    match table.inner().get(name) {
        Some(AMQPValue::LongString(text)) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use contracts::topology;

    use super::*;

    fn broker(version: &str) -> Introduction {
        Introduction {
            product: "RabbitMQ".to_owned(),
            version: version.to_owned(),
            capabilities: NEEDED.map(|(name, _)| name.to_owned()).into(),
        }
    }

    #[test]
    fn old_and_unknown_versions_are_refused_and_newer_ones_are_not() {
        for version in ["3.10.8", "3.13.7", "4.0.5", "4.3.0", "5.0.0-rc.1"] {
            assert_eq!(broker(version).lacks(), Vec::<String>::new(), "{version}");
        }
        for version in ["3.9.27", "2.8.4", "", "main"] {
            let lacks = broker(version).lacks();
            assert!(lacks[0].contains("3.10 or newer"), "{version}: {lacks:?}");
        }
    }

    #[test]
    fn each_missing_extension_is_named_with_its_use() {
        let mut bare = broker("3.10.8");
        bare.capabilities.clear();
        let lacks = bare.lacks();
        assert_eq!(lacks.len(), NEEDED.len());
        assert!(
            lacks[0].starts_with("it has no publisher_confirms: "),
            "{lacks:?}"
        );
    }

    #[test]
    fn another_product_is_refused() {
        let mut other = broker("4.0.5");
        other.product = "Qpid".to_owned();
        assert_eq!(
            other.lacks(),
            ["it calls itself \"Qpid\": RabbitMQ is needed"]
        );
    }

    #[test]
    fn a_limit_that_older_brokers_misread_is_refused_there_and_ours_are_fine_everywhere() {
        let mut queue = topology::queues().pop().unwrap();
        queue.arguments = vec![("x-delivery-limit", Argument::Int(-1))];
        assert!(
            broker("3.13.7")
                .misreads(&queue)
                .unwrap()
                .contains("3.13.7")
        );
        assert_eq!(broker("4.0.5").misreads(&queue), None);
        for queue in topology::queues() {
            assert_eq!(broker("3.10.8").misreads(&queue), None, "{}", queue.name);
        }
    }

    #[test]
    fn what_is_no_connection_start_is_not_read() {
        assert_eq!(Introduction::read(b""), None);
        assert_eq!(
            Introduction::read(b"\x00\x0a\x00\x0b\x00\x09\x00\x00\x00\x00"),
            None
        );
        let empty = Introduction::read(b"\x00\x0a\x00\x0a\x00\x09\x00\x00\x00\x00").unwrap();
        assert_eq!(
            (empty.version.as_str(), empty.lacks().len()),
            ("", NEEDED.len() + 2)
        );
    }
}
