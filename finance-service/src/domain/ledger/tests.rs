//! The transfers that facts make, and that neither their order nor their number matters.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn price() -> Price {
    Price {
        fee: Amount::try_new(1_300).unwrap(),
        reward: Amount::try_new(3_100).unwrap(),
    }
}

fn fact(event: TaskEvent) -> TaskFact {
    TaskFact {
        task: Uuid::from_u128(1),
        at: at(0),
        event,
    }
}

#[test]
fn an_assignment_moves_the_fee_from_the_performer_to_the_company() {
    let performer = Uuid::from_u128(9);
    let posting = fact(TaskEvent::Assigned { performer })
        .posting(price())
        .unwrap();
    assert_eq!(
        (posting.debit(), posting.credit()),
        (Account::Employee(performer), Account::Company)
    );
    assert_eq!((posting.amount.cents(), posting.at), (1_300, at(0)));
}

#[test]
fn a_completion_moves_the_reward_from_the_company_to_the_performer() {
    let performer = Uuid::from_u128(9);
    let posting = fact(TaskEvent::Completed { performer })
        .posting(price())
        .unwrap();
    assert_eq!(
        (posting.debit(), posting.credit()),
        (Account::Company, Account::Employee(performer))
    );
    assert_eq!((posting.amount.cents(), posting.at), (3_100, at(0)));
}

#[test]
fn a_change_and_a_cancellation_move_nothing() {
    assert_eq!(fact(TaskEvent::Changed).posting(price()), None);
    assert_eq!(fact(TaskEvent::Cancelled).posting(price()), None);
}

#[test]
fn a_fact_is_refused_only_when_more_than_five_minutes_ahead() {
    let fact = fact(TaskEvent::Changed);
    assert_eq!(fact.admit(at(-300)), Ok(()));
    assert_eq!(fact.admit(at(1_000_000)), Ok(()));
    assert_eq!(
        fact.admit(at(-301)),
        Err(Refusal::InTheFuture { at: at(0) })
    );
}

#[test]
fn a_fact_from_before_1970_is_refused() {
    let dated = |at| TaskFact {
        at,
        ..fact(TaskEvent::Changed)
    };
    let (first, before) = (
        DateTime::UNIX_EPOCH,
        DateTime::from_timestamp(-1, 0).unwrap(),
    );
    assert_eq!(dated(first).admit(at(0)), Ok(()));
    assert_eq!(
        dated(before).admit(at(0)),
        Err(Refusal::BeforeTime { at: before })
    );
    let dawn = DateTime::<Utc>::MIN_UTC;
    assert_eq!(
        dated(dawn).admit(at(0)),
        Err(Refusal::BeforeTime { at: dawn })
    );
}

#[test]
fn a_second_completion_is_a_repeat_only_with_the_same_performer_and_time() {
    let performer = Uuid::from_u128(9);
    let posting = fact(TaskEvent::Completed { performer })
        .posting(price())
        .unwrap();
    assert_eq!(
        posting.repeats(Completion {
            performer,
            at: at(0)
        }),
        Ok(())
    );
    for booked in [
        Completion {
            performer,
            at: at(1),
        },
        Completion {
            performer: Uuid::nil(),
            at: at(0),
        },
    ] {
        assert!(matches!(
            posting.repeats(booked),
            Err(Refusal::SecondCompletion { .. })
        ));
    }
}

/// The least ledger that keeps the rules, to compare orders of arrival with each other.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ledger {
    fees: BTreeSet<(Uuid, Uuid, DateTime<Utc>)>,
    rewards: BTreeMap<Uuid, (Uuid, DateTime<Utc>)>,
    accounts: BTreeMap<Account, i64>,
}

impl Ledger {
    fn book(mut self, facts: &[TaskFact]) -> Self {
        let postings = facts.iter().filter_map(|fact| fact.posting(price()));
        postings.for_each(|posting| self.apply(&posting));
        self
    }

    /// Says whether the business fact is new.
    fn note(&mut self, posting: &Posting) -> bool {
        let (task, employee, at) = (posting.task, posting.employee, posting.at);
        match posting.kind {
            TransferKind::Fee => self.fees.insert((task, employee, at)),
            TransferKind::Reward => self.rewards.insert(task, (employee, at)).is_none(),
        }
    }

    fn apply(&mut self, posting: &Posting) {
        if !self.note(posting) {
            return;
        }
        *self.accounts.entry(posting.debit()).or_default() -= posting.amount.cents();
        *self.accounts.entry(posting.credit()).or_default() += posting.amount.cents();
    }
}

fn facts() -> impl Strategy<Value = Vec<TaskFact>> {
    // One completion per task: its performer and time follow from the task.
    let fact =
        (0..6_u128, 0..4_u128, 0..20_i64, 0..4_u8).prop_map(|(task, performer, second, kind)| {
            let event = match kind {
                0 => TaskEvent::Assigned {
                    performer: Uuid::from_u128(performer),
                },
                1 => TaskEvent::Completed {
                    performer: Uuid::from_u128(task % 4),
                },
                2 => TaskEvent::Changed,
                _ => TaskEvent::Cancelled,
            };
            let second = if kind == 1 { 30 } else { second };
            TaskFact {
                task: Uuid::from_u128(task),
                at: at(second),
                event,
            }
        });
    prop::collection::vec(fact, 0..60)
}

fn shuffled_with_duplicates() -> impl Strategy<Value = (Vec<TaskFact>, Vec<TaskFact>)> {
    facts().prop_flat_map(|facts| {
        let copies = prop::collection::vec(1..4_usize, facts.len());
        (Just(facts), copies).prop_flat_map(|(facts, copies)| {
            let repeated = facts
                .iter()
                .zip(copies)
                .flat_map(|(fact, times)| vec![*fact; times]);
            let repeated: Vec<_> = repeated.collect();
            (Just(facts), Just(repeated).prop_shuffle())
        })
    })
}

proptest! {
    #[test]
    fn order_and_repetition_change_nothing((facts, disorder) in shuffled_with_duplicates()) {
        prop_assert_eq!(Ledger::default().book(&facts), Ledger::default().book(&disorder));
    }

    #[test]
    fn all_accounts_sum_to_zero(facts in facts()) {
        let ledger = Ledger::default().book(&facts);
        prop_assert_eq!(ledger.accounts.values().sum::<i64>(), 0);
    }
}
