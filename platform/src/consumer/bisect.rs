//! Finds the messages at fault in a batch that fails as a whole.

use std::future::Future;

/// What became of one attempt at some messages.
#[derive(Debug)]
pub(super) enum Attempt<F, S> {
    /// All of them are applied.
    Done,
    /// None is applied; at least one of them is at fault.
    Failed(F),
    /// None is applied and nothing is known; the batch has to be given up.
    Stopped(S),
}

/// Applies messages all or none.
pub(super) trait Apply {
    /// A message.
    type Item: Sync;
    /// Why messages failed.
    type Fault: Send;
    /// Why the work has to be given up.
    type Stop: Send;

    /// Tries `items` in one transaction.
    fn apply(
        &self,
        items: &[Self::Item],
    ) -> impl Future<Output = Attempt<Self::Fault, Self::Stop>> + Send;
}

/// Applies everything except the items that fail on their own, and returns those with their faults.
///
/// A batch of n with one item at fault takes about 2 log2 n attempts. Items are applied in order,
/// those at fault left out.
pub(super) async fn bisect<'a, A: Apply + Sync>(
    work: &A,
    items: &'a [A::Item],
) -> Result<Vec<(&'a A::Item, A::Fault)>, A::Stop> {
    let mut poison = Vec::new();
    let mut waiting = vec![items];
    while let Some(part) = waiting.pop() {
        if part.is_empty() {
            continue;
        }
        match work.apply(part).await {
            Attempt::Done => {}
            Attempt::Stopped(why) => return Err(why),
            Attempt::Failed(fault) => {
                if let [alone] = part {
                    poison.push((alone, fault));
                } else {
                    let (left, right) = part.split_at(part.len() / 2);
                    waiting.extend([right, left]);
                }
            }
        }
    }
    Ok(poison)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Mutex};

    use futures::executor::block_on;
    use proptest::prelude::*;

    use super::*;

    struct Ledger {
        bad: BTreeSet<usize>,
        applied: Mutex<Vec<usize>>,
        attempts: Mutex<usize>,
        stop_at: Option<usize>,
    }

    impl Ledger {
        fn new(bad: BTreeSet<usize>) -> Self {
            Self {
                bad,
                applied: Mutex::default(),
                attempts: Mutex::default(),
                stop_at: None,
            }
        }
    }

    impl Apply for Ledger {
        type Item = usize;
        type Fault = ();
        type Stop = ();

        async fn apply(&self, items: &[usize]) -> Attempt<(), ()> {
            *self.attempts.lock().unwrap() += 1;
            if self.stop_at.is_some_and(|at| items.contains(&at)) {
                return Attempt::Stopped(());
            }
            if items.iter().any(|item| self.bad.contains(item)) {
                return Attempt::Failed(());
            }
            self.applied.lock().unwrap().extend(items);
            Attempt::Done
        }
    }

    #[test]
    fn one_poison_in_500_takes_few_attempts() {
        let ledger = Ledger::new(BTreeSet::from([137]));
        let items: Vec<usize> = (0..500).collect();
        let poison = block_on(bisect(&ledger, &items)).unwrap();
        assert_eq!(poison, [(&137, ())]);
        let attempts = *ledger.attempts.lock().unwrap();
        assert!(attempts <= 19, "{attempts}");
    }

    #[test]
    fn giving_up_reports_nothing_as_poison() {
        let mut ledger = Ledger::new(BTreeSet::from([0]));
        ledger.stop_at = Some(3);
        assert_eq!(block_on(bisect(&ledger, &[0, 1, 2, 3])), Err(()));
    }

    proptest! {
        #[test]
        fn exactly_the_bad_ones_are_left_out_and_the_rest_is_applied_once_in_order(
            count in 0_usize..60,
            bad in proptest::collection::btree_set(0_usize..60, 0..8),
        ) {
            let items: Vec<usize> = (0..count).collect();
            let ledger = Ledger::new(bad.clone());
            let poison = block_on(bisect(&ledger, &items)).unwrap();
            let poison: Vec<usize> = poison.into_iter().map(|(item, ())| *item).collect();
            let (expected_bad, expected_good): (Vec<usize>, Vec<usize>) =
                items.into_iter().partition(|item| bad.contains(item));
            prop_assert_eq!(poison, expected_bad);
            prop_assert_eq!(ledger.applied.into_inner().unwrap(), expected_good);
        }
    }
}
