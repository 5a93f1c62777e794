//! A message that kills whoever handles it: the broker's limit ends the loop, and its neighbours do not suffer.

use anyhow::Result;

use super::bench::Bench;
use crate::support::waiting::until;

/// One delivery more than the limit of the queue.
const DELIVERIES: usize = 21;

#[tokio::test]
async fn a_deadly_message_is_parked_after_its_last_delivery_and_no_other_with_it() -> Result<()> {
    let bench = Bench::create().await?;
    bench.publish(40).await?;
    let deadly = bench.publish(1).await?;
    bench.publish(40).await?;
    bench.conduct.kill(deadly[0]);

    let mut deaths = 0;
    let survivor = loop {
        let process = bench.consume()?;
        let stopping = process.stopping();
        let parked = until("it is parked", || async {
            Ok(!bench.parked().await?.is_empty())
        });
        tokio::select! {
            () = stopping.cancelled() => deaths += 1,
            outcome = parked => {
                outcome?;
                break process;
            }
        }
        process.stop_and_wait().await;
        assert!(deaths <= DELIVERIES, "the loop does not end");
    };
    assert_eq!(deaths, DELIVERIES);
    bench.until_applied(80).await?;
    let expected = ("dead_lettered", "the broker gave up on it: delivery_limit");
    let parked = bench.parked().await?;
    let parked: Vec<_> = parked
        .iter()
        .map(|(kind, why)| (kind.as_str(), why.as_str()))
        .collect();
    assert_eq!(parked, [expected]);
    bench.finish(survivor).await
}
