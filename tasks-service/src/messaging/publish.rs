//! Which contract each private event of the domain becomes.

use contracts::tasks::{TaskAssigned, TaskCancelled, TaskChanged, TaskCompleted};
use platform::{outbox::OutboxMessage, sources::Sources};

use crate::domain::event::{Event, Fact};

/// The messages that tell the world of `events`, in their order.
#[must_use]
pub fn messages<'a>(
    sources: &Sources,
    events: impl IntoIterator<Item = &'a Event>,
) -> Vec<OutboxMessage> {
    events
        .into_iter()
        .map(|event| message(sources, event))
        .collect()
}

/// No wildcard: a new fact does not compile until somebody decided what the world hears of it.
fn message(sources: &Sources, event: &Event) -> OutboxMessage {
    let task_uuid = event.task.0;
    let timestamp = event.at;
    match event.fact {
        Fact::Filed | Fact::Edited { .. } | Fact::Released { .. } => OutboxMessage::new(
            sources,
            &TaskChanged {
                task_uuid,
                timestamp,
            },
        ),
        Fact::Assigned { performer, .. } => {
            let assigned_to = performer.0;
            OutboxMessage::new(
                sources,
                &TaskAssigned {
                    task_uuid,
                    assigned_to,
                    timestamp,
                },
            )
        }
        Fact::Completed { performer } => {
            let assigned_to = performer.0;
            OutboxMessage::new(
                sources,
                &TaskCompleted {
                    task_uuid,
                    assigned_to,
                    timestamp,
                },
            )
        }
        Fact::Cancelled => OutboxMessage::new(
            sources,
            &TaskCancelled {
                task_uuid,
                timestamp,
            },
        ),
    }
}
