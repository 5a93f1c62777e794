//! What an event of a task does to the money: which transfer it makes, and when a repeat contradicts it (DESIGN.md M3 to M5).

use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;
use uuid::Uuid;

use crate::domain::{
    account::Account,
    money::{Amount, Side},
    pricing::Price,
};

/// How far the clock of the task board may be ahead of ours.
pub const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// Something that happened to a task, as told by the task board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskFact {
    /// The task.
    pub task: Uuid,
    /// When it happened there; the transfer it makes carries this time.
    pub at: DateTime<Utc>,
    /// What happened.
    pub event: TaskEvent,
}

/// The kinds of [`TaskFact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEvent {
    /// It was handed to a performer, who pays the fee.
    Assigned {
        /// Who got it.
        performer: Uuid,
    },
    /// It was done; its last performer earns the reward.
    Completed {
        /// Who had it last.
        performer: Uuid,
    },
    /// Its title or text changed; also said of a new task.
    Changed,
    /// It was called off; fees stay charged.
    Cancelled,
}

/// Why a fact is not booked but kept for a person to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// One of the two clocks is wrong, and nobody but a person can tell which.
    #[error("dated {at}, more than five minutes ahead of this service's clock")]
    InTheFuture {
        /// The date it carries.
        at: DateTime<Utc>,
    },
    /// No exchange is that old: the sender's clock was never set, or the date is garbage.
    #[error("dated {at}, before 1970")]
    BeforeTime {
        /// The date it carries.
        at: DateTime<Utc>,
    },
    /// A task is completed once; this completion names another performer or another time.
    #[error("task {task} is already completed by {performer} at {at}")]
    SecondCompletion {
        /// The task.
        task: Uuid,
        /// Who was rewarded.
        performer: Uuid,
        /// When it was completed.
        at: DateTime<Utc>,
    },
}

/// What kind of movement a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferKind {
    /// A performer pays for an assignment. Unique by task, performer and time.
    Fee,
    /// A performer is paid for a completion. Unique by task.
    Reward,
}

/// A transfer that a fact asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// The kind of movement.
    pub kind: TransferKind,
    /// The task it is about.
    pub task: Uuid,
    /// Whose account it moves.
    pub employee: Uuid,
    /// How much it moves.
    pub amount: Amount,
    /// When the fact happened.
    pub at: DateTime<Utc>,
}

/// The completion that a task's reward was booked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// Who was rewarded.
    pub performer: Uuid,
    /// When the task was completed.
    pub at: DateTime<Utc>,
}

impl TaskFact {
    /// Refuses a fact whose date cannot be true as seen from `now`. There is no other limit of age:
    /// what is late is booked (DESIGN.md M9).
    ///
    /// # Errors
    /// [`Refusal::InTheFuture`], [`Refusal::BeforeTime`].
    pub fn admit(&self, now: DateTime<Utc>) -> Result<(), Refusal> {
        if self.at.signed_duration_since(now) > CLOCK_TOLERANCE {
            return Err(Refusal::InTheFuture { at: self.at });
        }
        if self.at < DateTime::UNIX_EPOCH {
            return Err(Refusal::BeforeTime { at: self.at });
        }
        Ok(())
    }

    /// The transfer this fact asks for at the task's price, if it moves money at all.
    pub const fn posting(&self, price: Price) -> Option<Posting> {
        let (kind, employee, amount) = match self.event {
            TaskEvent::Assigned { performer } => (TransferKind::Fee, performer, price.fee),
            TaskEvent::Completed { performer } => (TransferKind::Reward, performer, price.reward),
            TaskEvent::Changed | TaskEvent::Cancelled => return None,
        };
        Some(Posting {
            kind,
            task: self.task,
            employee,
            amount,
            at: self.at,
        })
    }
}

impl Posting {
    /// The account that gives.
    pub const fn debit(&self) -> Account {
        match self.kind {
            TransferKind::Fee => Account::Employee(self.employee),
            TransferKind::Reward => Account::Company,
        }
    }

    /// The account that receives.
    pub const fn credit(&self) -> Account {
        match self.kind {
            TransferKind::Fee => Account::Company,
            TransferKind::Reward => Account::Employee(self.employee),
        }
    }

    /// The side of the employee's account that it is written on.
    pub const fn side(&self) -> Side {
        match self.kind {
            TransferKind::Fee => Side::Debit,
            TransferKind::Reward => Side::Credit,
        }
    }

    /// Tells a harmless repeat of a booked completion from one that contradicts it.
    ///
    /// # Errors
    /// [`Refusal::SecondCompletion`] when this reward is for another performer or another time.
    pub fn repeats(&self, booked: Completion) -> Result<(), Refusal> {
        if self.employee == booked.performer && self.at == booked.at {
            return Ok(());
        }
        Err(Refusal::SecondCompletion {
            task: self.task,
            performer: booked.performer,
            at: booked.at,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::domain::money::Turnover;

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
        assert_eq!(
            (posting.amount.cents(), posting.side(), posting.at),
            (1_300, Side::Debit, at(0))
        );
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
        assert_eq!(
            (posting.amount.cents(), posting.side(), posting.at),
            (3_100, Side::Credit, at(0))
        );
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
        turnovers: BTreeMap<Uuid, (i64, i64, i64)>,
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
            let (credits, debits, count) = self.turnovers.entry(posting.employee).or_default();
            let mut turnover = Turnover::default();
            turnover.add(posting.side(), posting.amount).unwrap();
            *credits += turnover.credits();
            *debits += turnover.debits();
            *count += turnover.transfers();
        }
    }

    fn facts() -> impl Strategy<Value = Vec<TaskFact>> {
        // One completion per task: its performer and time follow from the task.
        let fact = (0..6_u128, 0..4_u128, 0..20_i64, 0..4_u8).prop_map(
            |(task, performer, second, kind)| {
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
            },
        );
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
            for (employee, (credits, debits, _)) in ledger.turnovers {
                let account = Account::Employee(employee);
                prop_assert_eq!(ledger.accounts.get(&account).copied(), Some(credits - debits));
            }
        }
    }
}
