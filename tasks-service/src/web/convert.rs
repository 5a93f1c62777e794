//! From the words of the domain to those of the views.

use std::collections::HashMap;

use platform::ui::{Money, Person};
use uuid::Uuid;

use super::views::{self, Happened, HistoryEntry, TaskDetail, Why};
use crate::{
    app::{
        Named,
        detail::{KnownPrice, Story},
        status_of,
    },
    domain::{
        assignment::Cause,
        event::{Event, Fact, Reason},
        id::UserId,
        person::Actor,
        task::Rights,
        text::Field,
    },
};

/// Somebody by name.
pub(super) fn person(named: &Named) -> Person {
    Person::from_names(
        named.user_id,
        &named.first_name,
        &named.last_name,
        &named.username,
    )
}

/// Somebody whom the local copy does not know yet.
pub(super) fn unknown(user: UserId) -> Person {
    Person::unknown(user.0)
}

/// The person among `names`.
pub(super) fn person_among(names: &HashMap<Uuid, Named>, user: UserId) -> Person {
    names.get(&user.0).map_or_else(|| unknown(user), person)
}

/// The task itself.
pub(super) fn detail(story: &Story) -> TaskDetail {
    let detail = &story.detail;
    let task = detail.task;
    TaskDetail {
        number: detail.number.get(),
        title: detail.title.clone(),
        description: detail.description.clone(),
        reference: detail.reference.clone(),
        status: status_of(task.state),
        author: person_among(&story.names, task.author),
        performer: task
            .performer()
            .map(|user| person_among(&story.names, user)),
        created_at: task.created_at,
        assigned_at: task.state.assigned_at(),
        finished_at: task.state.closed_at(),
    }
}

/// What it costs and pays, when that is known.
pub(super) fn price(story: &Story) -> Option<views::Price> {
    let price = story.detail.price.as_ref()?;
    let is_assignment = |event: &&Event| matches!(event.fact, Fact::Assigned { .. });
    let assignments = story.history.iter().filter(is_assignment).count();
    Some(views::Price {
        fee: fee(price),
        reward: Money::new(price.reward_cents, &price.currency),
        assignments: u64::try_from(assignments).unwrap_or(u64::MAX),
    })
}

/// What each assignment costs.
pub(super) fn fee(price: &KnownPrice) -> Money {
    Money::new(price.fee_cents, &price.currency)
}

/// What the page lets somebody do.
pub(super) fn rights(rights: Rights) -> views::Rights {
    views::Rights {
        complete: rights.complete,
        assign: rights.assign,
        edit: rights.edit,
        cancel: rights.cancel,
    }
}

/// Everything that happened.
pub(super) fn history(story: &Story) -> Vec<HistoryEntry> {
    let entry = |event: &Event| HistoryEntry {
        at: event.at,
        by: match event.actor {
            Actor::Person(user) => Some(person_among(&story.names, user)),
            Actor::System => None,
        },
        what: happened(&event.fact, &story.names),
    };
    story.history.iter().map(entry).collect()
}

fn happened(fact: &Fact, names: &HashMap<Uuid, Named>) -> Happened {
    let name = |user: UserId| person_among(names, user);
    match fact {
        Fact::Filed => Happened::Filed,
        Fact::Edited { fields } => Happened::Edited(in_words(fields)),
        Fact::Assigned {
            performer,
            previous,
            reason,
        } => Happened::Assigned {
            to: name(*performer),
            from: previous.map(name),
            why: why(*reason),
        },
        Fact::Released { previous } => Happened::Released {
            from: name(*previous),
        },
        Fact::Completed { performer } => Happened::Completed {
            performer: name(*performer),
        },
        Fact::Cancelled => Happened::Cancelled,
    }
}

fn why(reason: Reason) -> Why {
    match reason {
        Reason::Chosen => Why::Chosen,
        Reason::Drawn { cause, candidates } => Why::Drawn {
            cause: match cause {
                Cause::Filed => views::Cause::Filed,
                Cause::Waited => views::Cause::Waited,
                Cause::PerformerLost => views::Cause::PerformerLost,
                Cause::Asked => views::Cause::Redrawn,
            },
            candidates: u64::try_from(candidates).unwrap_or(u64::MAX),
        },
    }
}

/// "title", "title and description", "title, description and reference".
fn in_words(fields: &[Field]) -> String {
    let words: Vec<_> = fields
        .iter()
        .map(|field| match field {
            Field::Title => "title",
            Field::Description => "description",
            Field::Reference => "reference",
        })
        .collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_listed_as_people_do() {
        let all = [Field::Title, Field::Description, Field::Reference];
        assert_eq!(in_words(&all[..1]), "title");
        assert_eq!(in_words(&all[..2]), "title and description");
        assert_eq!(in_words(&all), "title, description and reference");
    }
}
