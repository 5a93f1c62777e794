//! The history of tasks (T6) as rows: one per event.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{StoreError, entity::task_history};
use crate::domain::{
    assignment::Cause,
    event::{Event, Fact, Reason},
    id::{TaskId, UserId},
    person::Actor,
    text::Field,
};

/// The parameter `$1` of a statement as rows that the table takes.
pub(super) const ROWS: &str = "json_populate_recordset(NULL::task_history, $1::json) AS event";

/// The rows of some events.
pub(super) fn rows<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<task_history::Model> {
    events.into_iter().map(row).collect()
}

fn row(event: &Event) -> task_history::Model {
    let blank = task_history::Model {
        task_id: event.task.0,
        at: event.at,
        kind: String::new(),
        actor_id: match event.actor {
            Actor::Person(user) => Some(user.0),
            Actor::System => None,
        },
        performer_id: None,
        previous_id: None,
        cause: None,
        candidates: None,
        fields: None,
    };
    let of_kind = |kind: &str| task_history::Model {
        kind: kind.to_owned(),
        ..blank.clone()
    };
    match &event.fact {
        Fact::Filed => of_kind("filed"),
        Fact::Edited { fields } => task_history::Model {
            fields: Some(
                fields
                    .iter()
                    .map(|field| field_word(*field).to_owned())
                    .collect(),
            ),
            ..of_kind("edited")
        },
        Fact::Assigned {
            performer,
            previous,
            reason,
        } => task_history::Model {
            performer_id: Some(performer.0),
            previous_id: previous.map(|user| user.0),
            cause: Some(cause_word(*reason).to_owned()),
            candidates: candidates(*reason),
            ..of_kind("assigned")
        },
        Fact::Released { previous } => task_history::Model {
            previous_id: Some(previous.0),
            ..of_kind("released")
        },
        Fact::Completed { performer } => task_history::Model {
            performer_id: Some(performer.0),
            ..of_kind("completed")
        },
        Fact::Cancelled => of_kind("cancelled"),
    }
}

fn cause_word(reason: Reason) -> &'static str {
    match reason {
        Reason::Chosen => "chosen",
        Reason::Drawn { cause, .. } => match cause {
            Cause::Filed => "filed",
            Cause::Waited => "waited",
            Cause::PerformerLost => "performer_lost",
            Cause::Asked => "asked",
        },
    }
}

/// No company has more people than the column can count.
fn candidates(reason: Reason) -> Option<i32> {
    match reason {
        Reason::Chosen => None,
        Reason::Drawn { candidates, .. } => Some(i32::try_from(candidates).unwrap_or(i32::MAX)),
    }
}

fn field_word(field: Field) -> &'static str {
    match field {
        Field::Title => "title",
        Field::Description => "description",
        Field::Reference => "reference",
    }
}

/// Everything that happened to a task, newest first.
pub async fn of(db: &impl ConnectionTrait, task: TaskId) -> Result<Vec<Event>, StoreError> {
    let rows = task_history::Entity::find()
        .filter(task_history::Column::TaskId.eq(task.0))
        .order_by_desc(task_history::Column::At)
        .all(db)
        .await?;
    rows.into_iter().map(Event::try_from).collect()
}

impl TryFrom<task_history::Model> for Event {
    type Error = StoreError;

    fn try_from(row: task_history::Model) -> Result<Self, StoreError> {
        let fact = read_fact(&row).ok_or(StoreError::Corrupt {
            task: row.task_id,
            fault: "a row of its history contradicts itself",
        })?;
        Ok(Self {
            task: TaskId(row.task_id),
            at: row.at,
            actor: row
                .actor_id
                .map_or(Actor::System, |user| Actor::Person(UserId(user))),
            fact,
        })
    }
}

fn read_fact(row: &task_history::Model) -> Option<Fact> {
    let previous = row.previous_id.map(UserId);
    let performer = row.performer_id.map(UserId);
    match row.kind.as_str() {
        "filed" => Some(Fact::Filed),
        "edited" => {
            let fields = row.fields.iter().flatten().map(|word| read_field(word));
            Some(Fact::Edited {
                fields: fields.collect::<Option<_>>()?,
            })
        }
        "assigned" => Some(Fact::Assigned {
            performer: performer?,
            previous,
            reason: read_reason(row)?,
        }),
        "released" => Some(Fact::Released {
            previous: previous?,
        }),
        "completed" => Some(Fact::Completed {
            performer: performer?,
        }),
        "cancelled" => Some(Fact::Cancelled),
        _ => None,
    }
}

fn read_reason(row: &task_history::Model) -> Option<Reason> {
    let cause = match row.cause.as_deref()? {
        "chosen" => return Some(Reason::Chosen),
        "filed" => Cause::Filed,
        "waited" => Cause::Waited,
        "performer_lost" => Cause::PerformerLost,
        "asked" => Cause::Asked,
        _ => return None,
    };
    let candidates = usize::try_from(row.candidates?).ok()?;
    Some(Reason::Drawn { cause, candidates })
}

fn read_field(word: &str) -> Option<Field> {
    match word {
        "title" => Some(Field::Title),
        "description" => Some(Field::Description),
        "reference" => Some(Field::Reference),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    fn event(fact: Fact) -> Event {
        Event {
            task: TaskId(Uuid::nil()),
            at: DateTime::UNIX_EPOCH,
            actor: Actor::System,
            fact,
        }
    }

    #[test]
    fn every_fact_reads_back_as_it_was_written() {
        let one = UserId(Uuid::from_u128(1));
        let two = UserId(Uuid::from_u128(2));
        let assigned = |reason| Fact::Assigned {
            performer: one,
            previous: Some(two),
            reason,
        };
        let drawn = |cause| {
            assigned(Reason::Drawn {
                cause,
                candidates: 38,
            })
        };
        let facts = [
            Fact::Filed,
            Fact::Edited {
                fields: vec![Field::Title, Field::Description, Field::Reference],
            },
            drawn(Cause::Filed),
            drawn(Cause::Waited),
            drawn(Cause::PerformerLost),
            drawn(Cause::Asked),
            assigned(Reason::Chosen),
            Fact::Released { previous: two },
            Fact::Completed { performer: one },
            Fact::Cancelled,
        ];
        for fact in facts {
            let event = event(fact);
            assert_eq!(Event::try_from(row(&event)).ok(), Some(event));
        }
    }

    #[test]
    fn a_row_that_contradicts_itself_is_no_fact() {
        let performer = UserId(Uuid::nil());
        let mut broken = row(&event(Fact::Completed { performer }));
        broken.performer_id = None;
        assert_eq!(read_fact(&broken), None);
    }
}
