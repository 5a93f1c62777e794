//! What the tests have sent, and what must have come of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Message,
    tasks::{Task, TaskAssigned, TaskChanged, TaskCompleted, TaskStatus},
};
use platform::{outbox::OutboxMessage, sources::Sources};
use uuid::Uuid;

/// One movement of money: its kind, the task, the employee, the time of the event.
pub(super) type Movement = (String, Uuid, Uuid, DateTime<Utc>);

/// The messages so far, and the state of the other side once they are applied.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The id of each message.
    pub(super) ids: BTreeSet<Uuid>,
    /// The money that they move.
    pub(super) movements: BTreeSet<Movement>,
    /// The tasks they tell of.
    pub(super) tasks: BTreeSet<Uuid>,
    /// The ids of the messages of each task, as they were written.
    pub(super) of_tasks: Vec<Vec<Uuid>>,
    /// The id of each message about somebody who has joined, and who it is.
    pub(super) people: BTreeMap<Uuid, Uuid>,
}

impl Sent {
    /// Notes a message that is about to be written.
    fn message<M: Message>(&mut self, sources: &Sources, body: &M) -> OutboxMessage {
        let message = OutboxMessage::new(sources, body);
        self.ids.insert(message.message_id());
        message
    }

    /// The messages of a new task: filed, given to `performer`, and completed by every other one.
    pub(super) fn task(
        &mut self,
        sources: &Sources,
        performer: Uuid,
    ) -> (Task, Vec<OutboxMessage>) {
        let (task_uuid, at) = (sources.new_id(), sources.now());
        let [filed, given, done] = [0, 1, 2].map(|step| at + TimeDelta::microseconds(step));
        let mut messages = vec![
            self.message(
                sources,
                &TaskChanged {
                    task_uuid,
                    timestamp: filed,
                },
            ),
            self.message(
                sources,
                &TaskAssigned {
                    task_uuid,
                    assigned_to: performer,
                    timestamp: given,
                },
            ),
        ];
        self.moves("fee", task_uuid, performer, given);
        if self.tasks.len().is_multiple_of(2) {
            let completed = TaskCompleted {
                task_uuid,
                assigned_to: performer,
                timestamp: done,
            };
            messages.push(self.message(sources, &completed));
            self.moves("reward", task_uuid, performer, done);
        }
        self.tasks.insert(task_uuid);
        self.of_tasks
            .push(messages.iter().map(OutboxMessage::message_id).collect());
        (known_task(task_uuid, filed), messages)
    }

    fn moves(&mut self, kind: &str, task: Uuid, employee: Uuid, at: DateTime<Utc>) {
        self.movements.insert((kind.to_owned(), task, employee, at));
    }
}

/// A task as the board tells of it.
fn known_task(task_uuid: Uuid, at: DateTime<Utc>) -> Task {
    Task {
        task_uuid,
        number: 1,
        title: format!("Task {task_uuid}"),
        description: String::new(),
        reference: None,
        status: TaskStatus::Open,
        created_by: Uuid::nil(),
        assigned_to: None,
        created_at: at,
        changed_at: at,
    }
}
