//! The history of tasks (T6) as rows: one per event.

use sea_orm::Value;

use super::sql::array;
use crate::domain::{
    assignment::Cause,
    event::{Event, Fact, Reason},
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
    }
}

fn field_word(field: Field) -> &'static str {
    match field {
        Field::Title => "title",
        Field::Description => "description",
        Field::Reference => "reference",
    }
}
