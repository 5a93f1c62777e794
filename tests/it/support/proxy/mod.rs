//! A TCP proxy on one link of a service: it passes, holds, delays, throttles, cuts and resets, and
//! stops the link at a chosen moment, which it recognises in the bytes that go by.
//!
//! With the link stopped, the real process behind it can be killed at that moment, so the product
//! needs no code for its faults.

mod amqp;
mod fault;
mod postgres;
mod wire;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{
    net::{TcpListener, TcpStream, lookup_host},
    sync::{oneshot, watch},
    task::JoinSet,
    time::timeout,
};
use url::Url;

pub(crate) use self::fault::{FAULTS, LASTS};

/// What is spoken on a link; decides what can be recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// To RabbitMQ.
    Amqp,
    /// To PostgreSQL.
    Postgres,
    /// To a peer or the issuer; no moment is recognised.
    Http,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the service.
    ToServer,
    /// To the service.
    ToClient,
}

/// Something that is about to go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The service publishes a message.
    Publish,
    /// The broker confirms messages to the service.
    Confirm,
    /// The service acknowledges deliveries.
    Acknowledge,
    /// The broker answers that the service consumes a queue now.
    Subscribed,
    /// The service runs a statement whose text contains this.
    Statement(&'static str),
    /// The service commits a transaction with a statement whose text contains this.
    CommitOf(&'static str),
}

/// On which side of the moment the link stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// It does not get through any more.
    Before,
    /// It has got through, and nothing that follows.
    After,
}

/// How bytes of one direction go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// At once.
    Pass,
    /// Not at all for now, the end of the connection included.
    Hold,
    /// Each portion this much later.
    Delay(Duration),
    /// No more than these bytes a second.
    Throttle(u32),
}

/// How the link is at this moment.
#[derive(Debug, Clone, Copy)]
struct Weather {
    to_server: Flow,
    to_client: Flow,
    /// Whether new connections are taken.
    open: bool,
    /// Counted up to end every connection there is.
    ended: u64,
    ending: Ending,
}

/// How connections are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// In good order.
    Close,
    /// With a TCP reset.
    Reset,
}

impl Weather {
    const FAIR: Self = Self {
        to_server: Flow::Pass,
        to_client: Flow::Pass,
        open: true,
        ended: 0,
        ending: Ending::Close,
    };

    const fn flow(&self, direction: Direction) -> Flow {
        match direction {
            Direction::ToServer => self.to_server,
            Direction::ToClient => self.to_client,
        }
    }
}

/// Stops the link the `nth` time that `moment` comes.
#[derive(Debug)]
struct Trap {
    side: Side,
    moment: Moment,
    left: usize,
    sprung: oneshot::Sender<()>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    protocol: Protocol,
    weather: watch::Sender<Weather>,
    trap: Mutex<Option<Trap>>,
    disguise: Mutex<Option<Disguise>>,
}

/// What the server says, and what the service hears instead, equally long.
#[derive(Debug)]
struct Disguise {
    said: Vec<u8>,
    heard: Vec<u8>,
}

/// A proxy in front of one server; dropping it ends its connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: JoinSet<()>,
}

/// Completes when the link has stopped at the moment that was asked for.
#[derive(Debug)]
#[must_use = "a trap is of use only to who waits for it"]
pub(crate) struct Stopped {
    moment: Moment,
    sprung: oneshot::Receiver<()>,
}

impl Stopped {
    /// Long enough for a busy machine; a test that passes waits for the moment alone.
    const PATIENCE: Duration = Duration::from_mins(1);

    /// Waits for the moment.
    pub(crate) async fn reached(self) -> Result<()> {
        let came = timeout(Self::PATIENCE, self.sprung).await;
        came.with_context(|| format!("{:?} did not come", self.moment))?
            .context("the proxy is gone")
    }
}

impl Proxy {
    /// Stands in front of `target` from now on, everything passing.
    pub(crate) async fn start(target: SocketAddr, protocol: Protocol) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target,
            protocol,
            weather: watch::Sender::new(Weather::FAIR),
            trap: Mutex::new(None),
            disguise: Mutex::new(None),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            _accepting: accepting,
        })
    }

    /// Stands in front of the server in `url`; answers the address that goes through it as well.
    pub(crate) async fn before(url: &str, protocol: Protocol) -> Result<(String, Self)> {
        let server: Url = url.parse()?;
        let host = server.host_str().context("a server has a host")?;
        let port = server.port().context("a server has a port")?;
        // Every server of the tests listens there.
        let mut addresses = lookup_host((host, port)).await?;
        let address = addresses.find(SocketAddr::is_ipv4);
        let proxy = Self::start(address.context("a server has an address")?, protocol).await?;
        Ok((proxy.through(url)?, proxy))
    }

    /// An address of the server, as it is reached through the proxy.
    pub(crate) fn through(&self, url: &str) -> Result<String> {
        let mut url: Url = url.parse()?;
        url.set_port(Some(self.address.port()))
            .ok()
            .context("a server's port can be replaced")?;
        Ok(url.into())
    }

    /// Stops the link, both ways, the `nth` time from now that `moment` comes (1 is the next).
    pub(crate) fn stop_at(&self, side: Side, moment: Moment, nth: usize) -> Stopped {
        let (sprung, receiver) = oneshot::channel();
        let trap = Trap {
            side,
            moment: moment.clone(),
            left: nth,
            sprung,
        };
        *self.shared.trap.lock().expect("no proxy panics") = Some(trap);
        Stopped {
            moment,
            sprung: receiver,
        }
    }

    /// Lets bytes of one direction go by like this.
    pub(crate) fn set(&self, direction: Direction, flow: Flow) {
        self.shared.change(|weather| match direction {
            Direction::ToServer => weather.to_server = flow,
            Direction::ToClient => weather.to_client = flow,
        });
    }

    /// Lets bytes of both directions go by like this.
    pub(crate) fn set_both(&self, flow: Flow) {
        self.set(Direction::ToServer, flow);
        self.set(Direction::ToClient, flow);
    }

    /// Where the server says `said` the service hears `heard` from now on.
    pub(crate) fn disguise(&self, said: &str, heard: &str) {
        assert_eq!(said.len(), heard.len(), "lengths are part of the protocol");
        *self.shared.disguise.lock().expect("no proxy panics") = Some(Disguise {
            said: said.into(),
            heard: heard.into(),
        });
    }

    /// Ends every connection in good order; what is held back never arrives. New ones are taken.
    pub(crate) fn cut(&self) {
        self.end(Ending::Close);
    }

    /// Ends every connection with a TCP reset; new ones are taken.
    pub(crate) fn reset(&self) {
        self.end(Ending::Reset);
    }

    /// Ends every connection and takes no new ones: the server is gone.
    pub(crate) fn close(&self) {
        self.shared.change(|weather| weather.open = false);
        self.cut();
    }

    /// Everything passes again, and new connections are taken.
    pub(crate) fn mend(&self) {
        self.shared.change(|weather| {
            *weather = Weather {
                ended: weather.ended,
                ..Weather::FAIR
            };
        });
    }

    fn end(&self, ending: Ending) {
        self.shared.change(|weather| {
            weather.ended += 1;
            weather.ending = ending;
        });
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Weather)) {
        self.weather.send_modify(change);
    }

    /// What the service hears when the server says `bytes`.
    fn disguised(&self, bytes: &mut [u8]) {
        let worn = self.disguise.lock().expect("no proxy panics");
        let Some(Disguise { said, heard }) = worn.as_ref() else {
            return;
        };
        let found = bytes.windows(said.len()).position(|window| window == said);
        if let Some(at) = found {
            bytes[at..at + said.len()].copy_from_slice(heard);
        }
    }

    /// Whether the trap springs on `moment`, and on which side; then the link stops.
    fn springs(&self, moment: &wire::Seen) -> Option<Side> {
        let mut armed = self.trap.lock().expect("no proxy panics");
        let trap = armed.as_mut().filter(|trap| moment.is(&trap.moment))?;
        trap.left = trap.left.saturating_sub(1);
        if trap.left > 0 {
            return None;
        }
        let trap = armed.take()?;
        self.change(|weather| {
            weather.to_server = Flow::Hold;
            weather.to_client = Flow::Hold;
        });
        // Nobody may wait for it any more.
        trap.sprung.send(()).ok();
        Some(trap.side)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if shared.weather.borrow().open {
            connections.spawn(serve(client, Arc::clone(&shared)));
        }
    }
}

/// Passes bytes on until one side ends the connection or the test does.
async fn serve(mut client: TcpStream, shared: Arc<Shared>) {
    let Ok(mut server) = TcpStream::connect(shared.target).await else {
        return;
    };
    for socket in [&client, &server] {
        socket.set_nodelay(true).ok();
    }
    let mut weather = shared.weather.subscribe();
    let before = weather.borrow_and_update().ended;
    {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = wire::Way::new(&shared, Direction::ToServer, before);
        let down = wire::Way::new(&shared, Direction::ToClient, before);
        tokio::select! {
            () = up.run(from_client, to_server) => {}
            () = down.run(from_server, to_client) => {}
            _ = weather.wait_for(|weather| weather.ended > before) => {}
        }
    }
    let now = *weather.borrow();
    if now.ended > before && now.ending == Ending::Reset {
        for socket in [&client, &server] {
            socket.set_zero_linger().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Header and a method frame that publishes.
    const HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
    const PUBLISH: &[u8] = b"\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x00\x28\xce";

    #[tokio::test]
    async fn what_is_held_back_when_its_connection_is_cut_never_arrives() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = server.local_addr().unwrap();
        let proxy = Proxy::start(target, Protocol::Amqp).await.unwrap();
        let stopped = proxy.stop_at(Side::Before, Moment::Publish, 1);
        let mut client = TcpStream::connect(proxy.address).await.unwrap();
        client.write_all(&[HEADER, PUBLISH].concat()).await.unwrap();
        stopped.reached().await.unwrap();

        // At once, as when a process is killed and started again.
        drop(client);
        proxy.cut();
        proxy.mend();
        let (mut accepted, _) = server.accept().await.unwrap();
        let mut arrived = Vec::new();
        accepted.read_to_end(&mut arrived).await.unwrap();
        assert_eq!(arrived, HEADER);
    }
}
