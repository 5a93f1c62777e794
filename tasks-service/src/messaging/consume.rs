//! What the service takes from other services' messages: prices, and that people changed.

use std::collections::HashMap;

use contracts::{
    Message,
    finance::TaskPriced,
    topology::{ConsumerQueue, TASKS_FINANCE},
};
use platform::{
    auth::session,
    consumer::{BatchHandler, HandlerError, Incoming, Verdict},
    people::{PeopleReaction, PersonChange},
    signal::Signal,
};
use sea_orm::{DatabaseTransaction, DbErr};
use uuid::Uuid;

use crate::store::{StoreError, prices, prices::Price};

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
        match prices::keep(txn, &prices).await {
            Ok(()) => Ok(verdicts),
            Err(StoreError::Database(error)) => Err(error.into()),
            Err(error @ StoreError::Corrupt { .. }) => Err(HandlerError::failed(error)),
        }
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

/// What the board does when people change.
///
/// Whoever loses a right is logged out (DESIGN.md section 9); and the job of redraws is woken, since
/// performers may be lost or may be there for tasks that wait.
#[derive(Debug, Clone)]
pub struct PeopleWatch {
    people_changed: Signal,
}

impl PeopleWatch {
    /// Wakes `people_changed` after each change.
    #[must_use]
    pub fn new(people_changed: Signal) -> Self {
        Self { people_changed }
    }
}

impl PeopleReaction for PeopleWatch {
    async fn people_changed(
        &self,
        txn: &DatabaseTransaction,
        changes: &[PersonChange],
    ) -> Result<(), DbErr> {
        for change in changes.iter().filter(|change| loses_a_right(change)) {
            session::end_all(txn, change.after.user_id).await?;
        }
        Ok(())
    }

    fn committed(&self) {
        self.people_changed.wake();
    }
}

fn loses_a_right(change: &PersonChange) -> bool {
    let mut held = change.before.iter().flat_map(|before| &before.roles);
    !change.after.is_active() || held.any(|role| !change.after.roles.contains(role))
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
