//! The HTTP client of the tests.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use platform::outbound::{self, Timeouts};

use super::waiting::until;

/// A client with the product's own manners: no redirects, and a limit for everything.
pub(crate) fn client() -> Result<reqwest::Client> {
    Ok(outbound::client(Timeouts {
        connect: Duration::from_secs(5),
        request: Duration::from_secs(30),
    })?)
}

/// Waits until the metrics at `address` have this line.
pub(crate) async fn until_metric(address: SocketAddr, line: &str) -> Result<()> {
    let url = format!("http://{address}/metrics");
    until(line, || async {
        let text = client()?.get(&url).send().await?.text().await?;
        Ok(text.lines().any(|told| told == line))
    })
    .await
}
