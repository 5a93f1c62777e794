//! One way of one connection: bytes in, recognised, and out again as the link allows.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::{ReadHalf, WriteHalf},
    sync::mpsc,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{Direction, Flow, Moment, Protocol, Shared, Side, amqp, postgres};

/// Bytes that belong together, and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) bytes: Vec<u8>,
    pub(super) seen: Option<Seen>,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// The service publishes.
    Publish,
    /// The broker confirms.
    Confirm,
    /// The service acknowledges.
    Acknowledge,
    /// The broker says that the service consumes now.
    Subscribed,
    /// The service runs a statement of this text.
    Statement(String),
    /// The service commits a transaction of statements with these texts.
    Commit(String),
}

impl Seen {
    pub(super) fn is(&self, moment: &Moment) -> bool {
        match (self, moment) {
            (Self::Publish, Moment::Publish)
            | (Self::Confirm, Moment::Confirm)
            | (Self::Acknowledge, Moment::Acknowledge)
            | (Self::Subscribed, Moment::Subscribed) => true,
            (Self::Statement(text), Moment::Statement(wanted))
            | (Self::Commit(text), Moment::CommitOf(wanted)) => text.contains(wanted),
            _ => false,
        }
    }
}

/// Finds the parts in the bytes of one direction.
#[derive(Debug)]
enum Reader {
    Amqp(amqp::Frames),
    Postgres(postgres::Statements),
    /// Nothing is recognised.
    Blind,
}

impl Reader {
    fn new(protocol: Protocol, direction: Direction) -> Self {
        match (protocol, direction) {
            (Protocol::Amqp, _) => Self::Amqp(amqp::Frames::new(direction)),
            (Protocol::Postgres, Direction::ToServer) => {
                Self::Postgres(postgres::Statements::default())
            }
            (Protocol::Postgres, Direction::ToClient) | (Protocol::Http, _) => Self::Blind,
        }
    }

    fn read(&mut self, bytes: &[u8]) -> Vec<Part> {
        match self {
            Self::Amqp(frames) => frames.read(bytes),
            Self::Postgres(statements) => statements.read(bytes),
            Self::Blind => vec![Part {
                bytes: bytes.to_vec(),
                seen: None,
            }],
        }
    }
}

/// One way.
#[derive(Debug)]
pub(super) struct Way<'a> {
    shared: &'a Shared,
    direction: Direction,
    /// How often connections had been ended when this one began.
    ended: u64,
}

impl<'a> Way<'a> {
    pub(super) fn new(shared: &'a Shared, direction: Direction, ended: u64) -> Self {
        Self {
            shared,
            direction,
            ended,
        }
    }

    /// Ends when the source has ended, or when the target takes nothing more.
    ///
    /// Reading does not wait for writing: that a process is gone has to be noticed while what it
    /// sent last is held.
    pub(super) async fn run(self, from: ReadHalf<'_>, to: WriteHalf<'_>) {
        let (sender, parts) = mpsc::unbounded_channel();
        let gone = CancellationToken::new();
        let reader = Reader::new(self.shared.protocol, self.direction);
        let reading = async {
            read(from, reader, sender).await;
            gone.cancel();
        };
        tokio::join!(reading, self.write(parts, to, &gone));
    }

    async fn write(
        &self,
        mut parts: mpsc::UnboundedReceiver<Part>,
        mut to: WriteHalf<'_>,
        gone: &CancellationToken,
    ) {
        while let Some(mut part) = parts.recv().await {
            if self.direction == Direction::ToClient {
                self.shared.disguised(&mut part.bytes);
            }
            let sprung = part
                .seen
                .as_ref()
                .and_then(|seen| self.shared.springs(seen));
            // What has sprung the trap on its far side is the last to get through.
            if sprung != Some(Side::After) && !self.may_pass(part.bytes.len(), gone).await {
                return;
            }
            if to.write_all(&part.bytes).await.is_err() {
                return;
            }
        }
        // The end of the connection is held back like its bytes.
        self.may_pass(0, gone).await;
    }

    /// Waits until so many bytes may pass; false when what is held can never pass, because the
    /// process that sent it is gone or the connection is ended.
    async fn may_pass(&self, length: usize, gone: &CancellationToken) -> bool {
        let mut weather = self.shared.weather.subscribe();
        loop {
            let now = *weather.borrow_and_update();
            if now.ended > self.ended {
                return false;
            }
            match now.flow(self.direction) {
                Flow::Pass => return true,
                Flow::Delay(pause) => {
                    sleep(pause).await;
                    return true;
                }
                Flow::Throttle(per_second) => {
                    let bytes = u32::try_from(length).unwrap_or(u32::MAX);
                    sleep(Duration::from_secs(1) * bytes / per_second).await;
                    return true;
                }
                Flow::Hold => {}
            }
            tokio::select! {
                changed = weather.changed() => if changed.is_err() { return false; },
                // That a server is gone is held back from the service.
                () = gone.cancelled(), if self.direction == Direction::ToServer => return false,
            }
        }
    }
}

/// Cuts what comes into parts until it ends.
async fn read(mut from: ReadHalf<'_>, mut reader: Reader, sender: mpsc::UnboundedSender<Part>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        for part in reader.read(&buffer[..length]) {
            // Nobody takes it when the other side is gone; then all of this is dropped.
            sender.send(part).ok();
        }
    }
}
