//! The events that are pushed through: tasks that are assigned and then completed.

use chrono::{DateTime, Utc};
use contracts::{
    Message, SCHEMA_VERSION,
    tasks::{TaskAssigned, TaskCompleted},
};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use platform::{outbox::OutboxMessage, sources::Sources};
use rand::RngExt as _;
use uuid::Uuid;

/// Among how many people the tasks are drawn.
const PERFORMERS: usize = 2_000;

/// An event of the task board.
#[derive(Debug)]
pub(crate) enum Event {
    Assigned(TaskAssigned),
    Completed(TaskCompleted),
}

impl Event {
    /// The task it is about.
    pub(crate) fn task(&self) -> Uuid {
        match self {
            Self::Assigned(body) => body.task_uuid,
            Self::Completed(body) => body.task_uuid,
        }
    }
}

/// A message ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) id: Uuid,
    pub(crate) key: &'static str,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Vec<u8>,
}

/// Makes events of tasks that nobody has seen before.
#[derive(Debug, Clone)]
pub(crate) struct Maker {
    sources: Sources,
    performers: Vec<Uuid>,
}

impl Maker {
    pub(crate) fn new(sources: Sources) -> Self {
        let performers = (0..PERFORMERS).map(|_| sources.new_id()).collect();
        Self {
            sources,
            performers,
        }
    }

    /// `count` events, an even number: half as many tasks, each assigned and some tasks later completed.
    pub(crate) fn events(&self, count: u32) -> Vec<Event> {
        let tasks = count / 2;
        let mut open = std::collections::VecDeque::new();
        let mut events = Vec::new();
        for _ in 0..tasks {
            let (task_uuid, assigned_to) = (self.sources.new_id(), self.performer());
            events.push(self.assigned((task_uuid, assigned_to)));
            open.push_back((task_uuid, assigned_to));
            if open.len() > 1_000 {
                events.extend(open.pop_front().map(|task| self.completed(task)));
            }
        }
        events.extend(open.into_iter().map(|task| self.completed(task)));
        events
    }

    /// Somebody by chance.
    pub(crate) fn performer(&self) -> Uuid {
        let drawn = self.sources.rng().random_range(0..PERFORMERS);
        self.performers.get(drawn).copied().unwrap_or_default()
    }

    /// A task and who gets it.
    pub(crate) fn assigned(&self, (task_uuid, assigned_to): (Uuid, Uuid)) -> Event {
        Event::Assigned(TaskAssigned {
            task_uuid,
            assigned_to,
            timestamp: self.now(),
        })
    }

    fn completed(&self, (task_uuid, assigned_to): (Uuid, Uuid)) -> Event {
        Event::Completed(TaskCompleted {
            task_uuid,
            assigned_to,
            timestamp: self.now(),
        })
    }

    /// The same events as rows of the outbox.
    pub(crate) fn outbox(&self, events: &[Event]) -> Vec<OutboxMessage> {
        let message = |event: &Event| match event {
            Event::Assigned(body) => OutboxMessage::new(&self.sources, body),
            Event::Completed(body) => OutboxMessage::new(&self.sources, body),
        };
        events.iter().map(message).collect()
    }

    /// The same events as the relay would send them (DESIGN.md section 5).
    pub(crate) fn prepare(&self, events: &[Event]) -> Result<Vec<Prepared>, serde_json::Error> {
        let message = |event: &Event| match event {
            Event::Assigned(body) => self.prepare_one(body),
            Event::Completed(body) => self.prepare_one(body),
        };
        events.iter().map(message).collect()
    }

    fn prepare_one<M: Message>(&self, message: &M) -> Result<Prepared, serde_json::Error> {
        let id = self.sources.new_id();
        let seconds = u64::try_from(message.timestamp().timestamp()).unwrap_or_default();
        let mut headers = FieldTable::default();
        let version = AMQPValue::LongLongInt(SCHEMA_VERSION.into());
        headers.insert("schema_version".into(), version);
        Ok(Prepared {
            id,
            key: M::KEY,
            properties: BasicProperties::default()
                .with_message_id(id.to_string().into())
                .with_type(M::KEY.into())
                .with_app_id("tasks".into())
                .with_timestamp(seconds)
                .with_content_type("application/json".into())
                .with_delivery_mode(2)
                .with_headers(headers),
            body: serde_json::to_vec(message)?,
        })
    }

    fn now(&self) -> DateTime<Utc> {
        self.sources.now()
    }
}
