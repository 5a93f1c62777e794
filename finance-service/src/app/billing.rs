//! Books what happened to tasks: a price on first sight, fees and rewards exactly once (DESIGN.md M2 to M6).

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use platform::{consumer::HandlerError, sources::Sources};
use sea_orm::DatabaseTransaction;
use thiserror::Error;
use uuid::Uuid;

use crate::{
    app::task_cache,
    domain::{
        calendar::{Calendar, CalendarError},
        event::Event,
        ledger::{Refusal, TaskFact, TransferKind},
        pricing::{Price, Tariff},
    },
    messaging::publish::EventPublisher,
    store::{self, StoreError, transfers::NewTransfer},
};

/// Why a batch of facts could not be booked; nothing of it is kept then.
#[derive(Debug, Error)]
pub enum BillingError {
    /// The ledger could not be read or written.
    #[error("the ledger is not available")]
    Store(#[from] StoreError),
    /// A task has no price although it was just fixed.
    #[error("task {0} has no price")]
    Unpriced(Uuid),
    /// The configured holidays leave no day to settle an entry on.
    #[error("an entry belongs to no working day")]
    Calendar(#[from] CalendarError),
}

impl From<BillingError> for HandlerError {
    fn from(error: BillingError) -> Self {
        match error {
            // Whether trying again helps is told from the code of the database.
            BillingError::Store(StoreError::Database(cause)) => Self::Database(cause),
            other => Self::failed(other),
        }
    }
}

/// What a fact did, when it was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It was booked, or has nothing to book.
    Applied,
    /// Its transfer was in the ledger already.
    AlreadyApplied,
}

/// Books facts; holds all it needs besides the caller's transaction.
#[derive(Debug, Clone)]
pub struct Billing {
    sources: Sources,
    tariff: Tariff,
    calendar: Calendar<Tz>,
    publisher: EventPublisher,
}

/// What a fact asks for, before the ledger has its say.
#[derive(Debug, Clone, Copy)]
enum Draft {
    Refused(Refusal),
    NoMoney,
    Transfer(NewTransfer),
}

impl Billing {
    /// Prices come from `tariff`, working days from `calendar`.
    pub const fn new(
        sources: Sources,
        tariff: Tariff,
        calendar: Calendar<Tz>,
        publisher: EventPublisher,
    ) -> Self {
        Self {
            sources,
            tariff,
            calendar,
            publisher,
        }
    }

    /// Books a batch in the caller's transaction and answers for each fact, in order.
    ///
    /// A refused fact leaves no trace. What the others do to the accounts depends neither on their
    /// order nor on how often they come.
    ///
    /// # Errors
    /// When the whole batch has to be rolled back.
    pub async fn book(
        &self,
        txn: &DatabaseTransaction,
        facts: &[TaskFact],
    ) -> Result<Vec<Result<Effect, Refusal>>, BillingError> {
        let now = self.sources.now();
        let is_admitted = |fact: &&TaskFact| fact.admit(now).is_ok();
        let admitted: Vec<TaskFact> = facts.iter().filter(is_admitted).copied().collect();
        let prices = self.price(txn, &admitted, now).await?;

        let drafts = facts.iter().map(|fact| self.draft(fact, &prices, now));
        let drafts: Vec<Draft> = drafts.collect::<Result<_, _>>()?;
        let transfers: Vec<NewTransfer> = drafts.iter().filter_map(Draft::transfer).collect();
        let added = store::transfers::book(txn, &transfers, now).await?;
        let is_new = |transfer: &NewTransfer| added.contains(&transfer.id);
        let repeated = transfers.iter().filter(|transfer| !is_new(transfer));
        let contradictions = contradictions(txn, repeated).await?;

        let outcome = |draft| match draft {
            Draft::Refused(refusal) => Err(refusal),
            Draft::NoMoney => Ok(Effect::Applied),
            Draft::Transfer(transfer) if is_new(&transfer) => Ok(Effect::Applied),
            Draft::Transfer(transfer) => match contradictions.get(&transfer.id) {
                Some(refusal) => Err(*refusal),
                None => Ok(Effect::AlreadyApplied),
            },
        };
        Ok(drafts.into_iter().map(outcome).collect())
    }

    /// The price of every task, drawn and published for those that are seen for the first time. Notes
    /// too which tasks are to be fetched, unless a later event of them is known already.
    async fn price(
        &self,
        txn: &DatabaseTransaction,
        facts: &[TaskFact],
        now: DateTime<Utc>,
    ) -> Result<HashMap<Uuid, Price>, BillingError> {
        let tasks: BTreeSet<Uuid> = facts.iter().map(|fact| fact.task).collect();
        let mut prices = store::prices::find(txn, tasks.iter().copied().collect()).await?;
        let mut unknown = tasks;
        unknown.retain(|task| !prices.contains_key(task));
        let owed = task_cache::owed(facts, &unknown);
        if unknown.is_empty() {
            store::tasks::owe(txn, &owed, now).await?;
            return Ok(prices);
        }
        let mut rng = self.sources.rng();
        let draw = |task: &Uuid| (*task, self.tariff.draw(&mut rng));
        let drawn: Vec<(Uuid, Price)> = unknown.iter().map(draw).collect();
        let event = |&(task, price): &_| Event::TaskPriced {
            task,
            price,
            at: now,
        };
        let events = drawn.iter().map(event);
        let messages: Vec<_> = events.map(|event| self.publisher.message(event)).collect();
        let fixed = store::prices::fix(txn, &drawn, &messages, &owed, now).await?;
        if fixed.len() < unknown.len() {
            // Another replica saw some of them first: its prices hold.
            prices.extend(store::prices::find(txn, unknown.into_iter().collect()).await?);
        }
        prices.extend(fixed);
        Ok(prices)
    }

    fn draft(
        &self,
        fact: &TaskFact,
        prices: &HashMap<Uuid, Price>,
        now: DateTime<Utc>,
    ) -> Result<Draft, BillingError> {
        if let Err(refusal) = fact.admit(now) {
            return Ok(Draft::Refused(refusal));
        }
        let price = prices.get(&fact.task);
        let price = price.ok_or(BillingError::Unpriced(fact.task))?;
        let Some(posting) = fact.posting(*price) else {
            return Ok(Draft::NoMoney);
        };
        Ok(Draft::Transfer(NewTransfer {
            id: self.sources.new_id(),
            posting,
            business_day: self.calendar.business_day(posting.at)?,
        }))
    }
}

impl Draft {
    const fn transfer(&self) -> Option<NewTransfer> {
        match self {
            Self::Transfer(transfer) => Some(*transfer),
            Self::Refused(_) | Self::NoMoney => None,
        }
    }
}

/// Those of the repeated transfers that say something else than the ledger, by id.
///
/// A fee is known by everything it says, so only a reward can contradict.
async fn contradictions(
    txn: &DatabaseTransaction,
    repeated: impl Iterator<Item = &NewTransfer>,
) -> Result<HashMap<Uuid, Refusal>, StoreError> {
    let is_reward = |transfer: &&NewTransfer| transfer.posting.kind == TransferKind::Reward;
    let rewards: Vec<&NewTransfer> = repeated.filter(is_reward).collect();
    let tasks = rewards
        .iter()
        .map(|transfer| transfer.posting.task)
        .collect();
    let completions = store::transfers::completions(txn, tasks).await?;
    let contradiction = |transfer: &&NewTransfer| {
        let completion = completions.get(&transfer.posting.task)?;
        Some((transfer.id, transfer.posting.repeats(*completion).err()?))
    };
    Ok(rewards.iter().filter_map(contradiction).collect())
}
