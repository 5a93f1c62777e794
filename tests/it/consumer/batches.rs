//! What waits together is applied together, up to a bound; what comes alone waits for nobody.

use std::time::Duration;

use anyhow::Result;

use super::bench::Bench;

/// Longer than 500 messages take to come, also on a busy machine: only the bound ends a batch before.
const LINGER: Duration = Duration::from_secs(1);

#[tokio::test]
async fn what_waits_is_applied_by_up_to_five_hundred() -> Result<()> {
    let bench = Bench::create().await?;
    bench.publish(1_200).await?;
    let consuming = bench.consume_lingering(LINGER)?;
    bench.until_applied(1_200).await?;
    let batches = bench.conduct.batches();
    assert_eq!(batches.iter().sum::<usize>(), 1_200, "{batches:?}");
    assert_eq!(batches.iter().max(), Some(&500), "{batches:?}");
    bench.finish(consuming).await
}

#[tokio::test]
async fn a_message_alone_is_applied_although_none_follows() -> Result<()> {
    let bench = Bench::create().await?;
    let consuming = bench.consume()?;
    for applied in 1..=3 {
        bench.publish(1).await?;
        bench.until_applied(applied).await?;
    }
    assert_eq!(bench.conduct.batches(), [1, 1, 1]);
    bench.finish(consuming).await
}
