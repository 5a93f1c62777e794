//! The ways in which a link is broken.

use std::time::Duration;

use tokio::time::sleep;

use super::{Direction, Flow, Proxy};

/// How long a fault lasts that does not pass by itself.
pub(crate) const LASTS: Duration = Duration::from_millis(700);

/// What is done to a link.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Cut,
    Reset,
    Closed,
    Set(Direction, Flow),
    SetBoth(Flow),
    /// Nothing gets through, and then the connections are gone.
    ResetInSilence,
}

/// All of them.
pub(crate) const FAULTS: [Fault; 8] = [
    Fault::Cut,
    Fault::Reset,
    Fault::Closed,
    Fault::SetBoth(Flow::Delay(Duration::from_millis(30))),
    Fault::SetBoth(Flow::Throttle(20_000)),
    Fault::Set(Direction::ToServer, Flow::Hold),
    Fault::Set(Direction::ToClient, Flow::Hold),
    Fault::ResetInSilence,
];

impl Fault {
    /// Breaks `link`; [`Proxy::mend`] mends it.
    pub(crate) async fn strike(self, link: &Proxy) {
        match self {
            Self::Cut => link.cut(),
            Self::Reset => link.reset(),
            Self::Closed => link.close(),
            Self::Set(direction, flow) => link.set(direction, flow),
            Self::SetBoth(flow) => link.set_both(flow),
            Self::ResetInSilence => {
                link.set_both(Flow::Hold);
                sleep(LASTS).await;
                link.reset();
            }
        }
    }
}
