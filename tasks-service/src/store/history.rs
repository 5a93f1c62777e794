//! The history of tasks (T6) as rows: one per event.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Value};

use super::{StoreError, entity::task_history, sql::array};
use crate::domain::{
    assignment::Cause,
    event::{Event, Fact, Reason},
    id::{TaskId, UserId},
    person::Actor,
    text::Field,
};

/// The columns that [`columns`] fills, as parameters `$1` to `$9` of `UNNEST`.
///
/// `fields` comes as words with commas between, since `UNNEST` would flatten an array of arrays.
pub(super) const UNNEST: &str = "UNNEST($1::uuid[], $2::timestamptz[], $3::text[], $4::uuid[], \
     $5::uuid[], $6::uuid[], $7::text[], $8::int[], $9::text[]) \
     AS event (task_id, at, kind, actor_id, performer_id, previous_id, cause, candidates, fields)";

/// What to insert from an `event` of [`UNNEST`], in the order of [`COLUMNS`].
pub(super) const VALUES: &str = "event.task_id, event.at, event.kind, event.actor_id, \
     event.performer_id, event.previous_id, event.cause, event.candidates, \
     string_to_array(event.fields, ',')";

/// The columns of the table.
pub(super) const COLUMNS: &str =
    "task_id, at, kind, actor_id, performer_id, previous_id, cause, candidates, fields";

/// The details of a fact, each in its column.
#[derive(Debug, Clone, Default)]
struct Details {
    performer: Option<uuid::Uuid>,
    previous: Option<uuid::Uuid>,
    cause: Option<&'static str>,
    candidates: Option<i32>,
    fields: Option<String>,
}

/// The events as the nine parameters of [`UNNEST`].
pub(super) fn columns<'a>(events: impl IntoIterator<Item = &'a Event>) -> [Value; 9] {
    let rows: Vec<(&Event, &'static str, Details)> = events
        .into_iter()
        .map(|event| {
            let (kind, details) = describe(&event.fact);
            (event, kind, details)
        })
        .collect();
    let actor = |event: &Event| match event.actor {
        Actor::Person(user) => Some(user.0),
        Actor::System => None,
    };
    [
        array(rows.iter().map(|(event, ..)| Some(event.task.0))),
        array(rows.iter().map(|(event, ..)| Some(event.at))),
        array(rows.iter().map(|(_, kind, _)| Some((*kind).to_owned()))),
        array(rows.iter().map(|(event, ..)| actor(event))),
        array(rows.iter().map(|(.., details)| details.performer)),
        array(rows.iter().map(|(.., details)| details.previous)),
        array(
            rows.iter()
                .map(|(.., details)| details.cause.map(str::to_owned)),
        ),
        array(rows.iter().map(|(.., details)| details.candidates)),
        array(rows.iter().map(|(.., details)| details.fields.clone())),
    ]
}

fn describe(fact: &Fact) -> (&'static str, Details) {
    match fact {
        Fact::Filed => ("filed", Details::default()),
        Fact::Edited { fields } => {
            let words: Vec<_> = fields.iter().copied().map(field_word).collect();
            let fields = Some(words.join(","));
            (
                "edited",
                Details {
                    fields,
                    ..Details::default()
                },
            )
        }
        Fact::Assigned {
            performer,
            previous,
            reason,
        } => {
            let (cause, candidates) = match *reason {
                Reason::Chosen => ("chosen", None),
                Reason::Drawn { cause, candidates } => (cause_word(cause), Some(candidates)),
            };
            let details = Details {
                performer: Some(performer.0),
                previous: previous.map(|user| user.0),
                cause: Some(cause),
                // More candidates than the column holds cannot be: there are fewer people on Earth
                // per company.
                candidates: candidates.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
                fields: None,
            };
            ("assigned", details)
        }
        Fact::Released { previous } => (
            "released",
            Details {
                previous: Some(previous.0),
                ..Details::default()
            },
        ),
        Fact::Completed { performer } => (
            "completed",
            Details {
                performer: Some(performer.0),
                ..Details::default()
            },
        ),
        Fact::Cancelled => ("cancelled", Details::default()),
    }
}

/// The word for a cause in column `cause`; `chosen` stands beside them.
fn cause_word(cause: Cause) -> &'static str {
    match cause {
        Cause::Filed => "filed",
        Cause::Waited => "waited",
        Cause::PerformerLost => "performer_lost",
        Cause::Asked => "asked",
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

    /// A row as the database returns what [`describe`] wrote.
    fn row(fact: &Fact) -> task_history::Model {
        let (kind, details) = describe(fact);
        let fields = details
            .fields
            .map(|fields| fields.split(',').map(str::to_owned).collect());
        task_history::Model {
            task_id: Uuid::nil(),
            at: DateTime::UNIX_EPOCH,
            kind: kind.to_owned(),
            actor_id: None,
            performer_id: details.performer,
            previous_id: details.previous,
            cause: details.cause.map(str::to_owned),
            candidates: details.candidates,
            fields,
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
            assert_eq!(read_fact(&row(&fact)), Some(fact.clone()), "{fact:?}");
        }
    }

    #[test]
    fn a_row_that_contradicts_itself_is_no_fact() {
        let mut broken = row(&Fact::Completed {
            performer: UserId(Uuid::nil()),
        });
        broken.performer_id = None;
        assert_eq!(read_fact(&broken), None);
    }
}
