//! What the service takes from other services' messages: prices. That people changed is the platform's to read.

use std::collections::HashMap;

use contracts::{
    Message,
    finance::TaskPriced,
    topology::{ConsumerQueue, TASKS_FINANCE},
};
use platform::consumer::{BatchHandler, HandlerError, Incoming, Verdict};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::app::prices::{self, Price};

/// Keeps the prices that Finance published, for the board to show (DESIGN.md section 6).
#[derive(Debug, Clone, Copy)]
pub struct PriceHandler;

impl BatchHandler for PriceHandler {
    fn queue(&self) -> ConsumerQueue {
        TASKS_FINANCE
    }

    fn keys(&self) -> &'static [&'static str] {
        &[TaskPriced::KEY]
    }

    /// A price is kept behind its guard.
    fn refreshing_keys(&self) -> &'static [&'static str] {
        self.keys()
    }

    async fn handle(
        &self,
        txn: &DatabaseTransaction,
        messages: &[&Incoming],
    ) -> Result<Vec<Verdict>, HandlerError> {
        let mut newest: HashMap<Uuid, Price> = HashMap::new();
        let mut verdicts = Vec::with_capacity(messages.len());
        for message in messages {
            verdicts.push(match message.read::<TaskPriced>() {
                Ok(priced) => {
                    fold(&mut newest, priced);
                    Verdict::Applied
                }
                Err(verdict) => verdict,
            });
        }
        // In the order of the key, so that replicas do not wait for each other in a circle.
        let mut prices: Vec<Price> = newest.into_values().collect();
        prices.sort_unstable_by_key(|price| price.task_id);
        prices::keep(txn, &prices).await?;
        Ok(verdicts)
    }
}

/// One statement must not write a task twice: the newest price stays.
fn fold(newest: &mut HashMap<Uuid, Price>, priced: TaskPriced) {
    let is_newer = newest
        .get(&priced.task_uuid)
        .is_none_or(|kept| kept.guard <= priced.timestamp);
    if is_newer {
        newest.insert(
            priced.task_uuid,
            Price {
                task_id: priced.task_uuid,
                fee_cents: priced.fee_cents,
                reward_cents: priced.reward_cents,
                currency: priced.currency,
                guard: priced.timestamp,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn priced(fee_cents: i64, seconds: i64) -> TaskPriced {
        TaskPriced {
            task_uuid: Uuid::nil(),
            fee_cents,
            reward_cents: 2_000,
            currency: "USD".to_owned(),
            timestamp: DateTime::from_timestamp(seconds, 0).unwrap(),
        }
    }

    #[test]
    fn the_newest_price_of_a_batch_counts_in_whatever_order() {
        for order in [[1, 2], [2, 1]] {
            let mut newest = HashMap::new();
            for seconds in order {
                fold(&mut newest, priced(1_000 + seconds, seconds));
            }
            assert_eq!(newest[&Uuid::nil()].fee_cents, 1_002);
        }
    }
}
