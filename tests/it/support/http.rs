//! The HTTP client of the tests.

use std::time::Duration;

use anyhow::Result;
use platform::outbound::{self, Timeouts};

/// A client with the product's own manners: no redirects, and a limit for everything.
pub(crate) fn client() -> Result<reqwest::Client> {
    Ok(outbound::client(Timeouts {
        connect: Duration::from_secs(5),
        request: Duration::from_secs(30),
    })?)
}
