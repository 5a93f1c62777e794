//! Reads `tasks.task.*` and hands it to the book-keeping.

use contracts::{
    Message,
    tasks::{TaskAssigned, TaskCancelled, TaskChanged, TaskCompleted},
    topology::{ConsumerQueue, FINANCE_TASKS},
};
use platform::{
    consumer::{BatchHandler, HandlerError, Incoming, Verdict, traces},
    signal::Signal,
    trace,
};
use sea_orm::DatabaseTransaction;

use crate::{
    app::billing::{Billing, Effect},
    domain::ledger::{Refusal, TaskEvent, TaskFact},
};

/// Takes the messages of the task board.
#[derive(Debug, Clone)]
pub struct TaskConsumer {
    billing: Billing,
    prices: Signal,
    fetches: Signal,
}

impl TaskConsumer {
    /// After each batch `prices` wakes the relay and `fetches` the job that fetches tasks.
    pub const fn new(billing: Billing, prices: Signal, fetches: Signal) -> Self {
        Self {
            billing,
            prices,
            fetches,
        }
    }
}

impl BatchHandler for TaskConsumer {
    fn queue(&self) -> ConsumerQueue {
        FINANCE_TASKS
    }

    fn keys(&self) -> &'static [&'static str] {
        &[
            TaskAssigned::KEY,
            TaskCompleted::KEY,
            TaskChanged::KEY,
            TaskCancelled::KEY,
        ]
    }

    /// What books no money: it only notes that the task has to be fetched.
    fn refreshing_keys(&self) -> &'static [&'static str] {
        &[TaskChanged::KEY]
    }

    async fn handle(
        &self,
        txn: &DatabaseTransaction,
        messages: &[&Incoming],
    ) -> Result<Vec<Verdict>, HandlerError> {
        let read: Vec<Result<TaskFact, Verdict>> =
            messages.iter().map(|message| read(message)).collect();
        let facts: Vec<TaskFact> = read
            .iter()
            .filter_map(|fact| fact.as_ref().ok())
            .copied()
            .collect();
        let booking = self.billing.book(txn, &facts);
        let outcomes =
            trace::scope_of_batch(traces(&read, messages, |fact| fact.task), booking).await?;
        let mut outcomes = outcomes.into_iter();
        let verdict = |fact: Result<TaskFact, Verdict>| match fact {
            Err(unreadable) => Ok(unreadable),
            Ok(_) => outcomes
                .next()
                .map(verdict)
                .ok_or_else(|| HandlerError::failed("no outcome")),
        };
        read.into_iter().map(verdict).collect()
    }

    fn committed(&self) {
        self.prices.wake();
        self.fetches.wake();
    }
}

/// What a message says, or why it cannot be read.
fn read(message: &Incoming) -> Result<TaskFact, Verdict> {
    match message.routing_key.as_str() {
        TaskAssigned::KEY => {
            let body: TaskAssigned = message.read()?;
            Ok(fact(
                &body,
                TaskEvent::Assigned {
                    performer: body.assigned_to,
                },
            ))
        }
        TaskCompleted::KEY => {
            let body: TaskCompleted = message.read()?;
            Ok(fact(
                &body,
                TaskEvent::Completed {
                    performer: body.assigned_to,
                },
            ))
        }
        TaskChanged::KEY => Ok(fact(&message.read::<TaskChanged>()?, TaskEvent::Changed)),
        TaskCancelled::KEY => Ok(fact(
            &message.read::<TaskCancelled>()?,
            TaskEvent::Cancelled,
        )),
        other => Err(Verdict::Unreadable(format!(
            "nobody here reads the key {other}"
        ))),
    }
}

fn fact(body: &impl Message, event: TaskEvent) -> TaskFact {
    TaskFact {
        task: body.entity_id(),
        at: body.timestamp(),
        event,
    }
}

fn verdict(outcome: Result<Effect, Refusal>) -> Verdict {
    match outcome {
        Ok(Effect::Applied) => Verdict::Applied,
        Ok(Effect::AlreadyApplied) => Verdict::Ignored,
        Err(refusal @ (Refusal::InTheFuture { .. } | Refusal::BeforeTime { .. })) => {
            Verdict::Park(refusal.to_string())
        }
        Err(refusal @ Refusal::SecondCompletion { .. }) => Verdict::Conflict(refusal.to_string()),
    }
}
